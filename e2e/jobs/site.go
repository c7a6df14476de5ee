package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/issuer"
	"github.com/dockit-registry/dockit/e2e/internal/port"
)

const (
	service      = "registry.test"
	rootUser     = "admin"
	rootPassword = "correct horse battery staple"
	api          = "/dockit/api/v1"
	// robot is whom the jobs of the issuer stand for.
	robot = "ci"
	// repository is one that it may push to.
	repository = "team/app"
)

// site is a server that trusts an issuer.
type site struct {
	*dockit.Server
	issuer *issuer.Issuer
	admin  call.Caller
	// metrics is where it tells them.
	metrics string
}

// startSite starts both. Stop it, also after an error.
func startSite(ctx context.Context, config dockit.Config) (s *site, err error) {
	s = &site{}
	if s.issuer, err = issuer.Start(ctx); err != nil {
		return s, err
	}
	config.RootUser, config.RootPassword = rootUser, rootPassword
	free, err := port.Free(ctx)
	if err != nil {
		return s, err
	}
	s.metrics = port.Localhost(free)
	config.Args = append(config.Args, "--service", service, "--metrics-listen", s.metrics)
	if s.Server, err = dockit.Start(ctx, config); err != nil {
		return s, err
	}
	s.admin = call.Caller{Base: s.URL, Username: rootUser, Password: rootPassword}
	for _, args := range [][]string{
		{"add", "robot:" + robot},
		{"grant", "robot:" + robot, "repository:" + repository + "/**:push"},
		{"issuer", "add", "gitlab", "--url", s.issuer.URL, "--kind", "gitlab"},
		{"binding", "add", "app", "--issuer", "gitlab", "--robot", "robot:" + robot, "--claim", "project_id=20", "--claim", "ref_protected=true"},
	} {
		if _, err := s.Admin().Run(ctx, append([]string{"rbac"}, args...)...); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *site) stop() error {
	var err error
	if s.Server != nil {
		err = s.Stop()
	}
	if s.issuer != nil {
		err = errors.Join(err, s.issuer.Close())
	}
	return err
}

// restart stops the server and runs it again on what it has.
func (s *site) restart(ctx context.Context) (err error) {
	if err = s.Stop(); err == nil {
		s.Server, err = dockit.Start(ctx, s.Config())
	}
	return err
}

// accessToken makes one of the robot.
func (s *site) accessToken(ctx context.Context) (string, error) {
	a, err := s.admin.Send(ctx, http.MethodPost, api+"/robots/"+robot+"/access-tokens", map[string]any{"name": "jobs"})
	if err != nil {
		return "", err
	}
	var issued struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(a.Body, &issued); err != nil || issued.Token == "" {
		return "", fmt.Errorf("make an access token: %s", a)
	}
	return issued.Token, nil
}

// tokenPath asks for a token to push.
var tokenPath = "/v2/token?" + url.Values{"service": {service}, "scope": {"repository:" + repository + "/one:pull,push"}}.Encode()

// login asks for a registry token as docker does, with more parameters where some are given, and returns the answer.
func (s *site) login(ctx context.Context, password, more string) (call.Answer, error) {
	return call.Caller{Base: s.URL, Username: robot, Password: password}.Send(ctx, http.MethodGet, tokenPath+more, nil)
}

// post posts a form to the token endpoint.
func (s *site) post(ctx context.Context, form url.Values) (call.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/v2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return call.Answer{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return call.Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return call.Answer{Status: resp.StatusCode, Kind: resp.Header.Get("Content-Type"), Body: body}, err
}

// requests counts requests for tokens by their outcome, as the server does.
func (s *site) requests(ctx context.Context) (map[string]float64, error) {
	a, err := call.Caller{Base: "http://" + s.metrics}.Send(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return nil, err
	}
	if !a.OK() {
		return nil, fmt.Errorf("GET /metrics: %s", a)
	}
	counts := map[string]float64{}
	for line := range strings.Lines(string(a.Body)) {
		rest, found := strings.CutPrefix(line, "dockit_token_requests_total{")
		if !found {
			continue
		}
		labels, value, _ := strings.Cut(strings.TrimSpace(rest), "} ")
		_, outcome, _ := strings.Cut(labels, `outcome="`)
		outcome, _, _ = strings.Cut(outcome, `"`)
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("read the metrics: %w", err)
		}
		counts[outcome] += n
	}
	return counts, nil
}

// refused are those that were not answered with a token.
func refused(counts map[string]float64) (all float64) {
	for outcome, n := range counts {
		if outcome != "issued" {
			all += n
		}
	}
	return all
}

// subfolder makes a folder in another.
func subfolder(in, name string) (string, error) {
	dir := filepath.Join(in, name)
	return dir, os.Mkdir(dir, 0o700)
}
