package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/issuer"
)

// awayForADay has the issuer away while the clock of the server goes on by a day. At every step, a job logs in with a token that was
// never seen, uses the refresh token that it gets, and another comes with an unknown key, for which the server asks the issuer in
// vain. In the middle of the day the server is started anew.
func awayForADay(ctx context.Context, o options, folder string) (figures []figure, err error) {
	say("building dockit with a clock that can be set")
	bin, err := subfolder(folder, "bin")
	if err != nil {
		return nil, err
	}
	binary, err := build.TestClock(ctx, bin)
	if err != nil {
		return nil, err
	}
	dir, err := subfolder(folder, "dockit")
	if err != nil {
		return nil, err
	}
	clock := filepath.Join(folder, "clock")
	s, err := startSite(ctx, dockit.Config{Binary: binary, Dir: dir, Env: []string{"DOCKIT_TEST_CLOCK=" + clock}})
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return nil, err
	}
	s.issuer.Away(true)
	asked := s.issuer.Asked()
	say("the issuer is away for %s of the server's clock, in %d steps", o.day, o.steps)
	var logins, failed, let int
	var first error
	for step := range o.steps + 1 {
		ahead := o.day * time.Duration(step) / time.Duration(o.steps)
		if err := setClock(ctx, clock, ahead); err != nil {
			return nil, err
		}
		if step == o.steps/2 {
			if err := s.restart(ctx); err != nil {
				return nil, err
			}
		}
		unknown, err := s.loginAt(ctx, time.Now().Add(ahead), rand.Text())
		if err == nil && unknown.OK() {
			let++
		}
		if err := s.jobAt(ctx, time.Now().Add(ahead)); err != nil {
			failed++
			if first == nil {
				first = fmt.Errorf("after %s: %w", ahead, err)
				say("%s", first)
			}
		}
		logins++
	}
	state, err := s.Admin().Run(ctx, "rbac", "issuer", "show", "gitlab")
	if err != nil {
		return nil, err
	}
	if !strings.Contains(state, "away since") {
		return nil, fmt.Errorf("nobody is told that the issuer is away: %s", state)
	}
	return []figure{
		told("away_logins", "jobs that came while their issuer was away", float64(logins)),
		told("away_asked", "times that the issuer was asked in vain", float64(s.issuer.Asked()-asked)),
		promised("away_refused", "of the jobs, those that were refused", float64(failed), 0, fmt.Sprint(first)),
		promised("away_unknown", "tokens with unknown keys that were taken", float64(let), 0, ""),
	}, nil
}

// setClock says by how much the clock is ahead, all at once, and waits until the server has read it.
func setClock(ctx context.Context, file string, ahead time.Duration) error {
	if err := os.WriteFile(file+".new", []byte(ahead.String()), 0o600); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return err
	}
	return pause(ctx, 50*time.Millisecond)
}

// jobAt logs in with a token of that time, and by what it gets for that.
func (s *site) jobAt(ctx context.Context, at time.Time) error {
	a, err := s.loginAt(ctx, at, "")
	if err != nil {
		return err
	}
	if !a.OK() {
		return fmt.Errorf("log in: %s", a)
	}
	var got struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal(a.Body, &got); err != nil {
		return err
	}
	a, err = s.post(ctx, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {got.RefreshToken}, "client_id": {"docker"}, "service": {service},
		"scope": {"repository:" + repository + "/one:pull,push"},
	})
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("use a refresh token: %s", a)
	}
	return err
}

// loginAt is docker login with a token of that time, by a key that the issuer has or by another one.
func (s *site) loginAt(ctx context.Context, at time.Time, keyID string) (a call.Answer, err error) {
	token, err := s.issuer.Sign(issuer.Token{Audience: service, Issued: at, KeyID: keyID})
	if err != nil {
		return a, err
	}
	return s.login(ctx, token, "&offline_token=true&client_id=docker")
}
