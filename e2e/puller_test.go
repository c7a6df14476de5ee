package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// pullers is how many pull at the same time.
	pullers = 4
	// pulled is what they pull.
	pulled = "team/app"
)

// puller pulls an image without credentials, with a new token for each pull.
type puller struct {
	// realms are token endpoints that take turns.
	realms  []string
	host    string
	service string

	count atomic.Int64
	kids  sync.Map
}

// pull asks for a token and reads manifest and configuration with it.
func (p *puller) pull(ctx context.Context) error {
	realm := p.realms[int(p.count.Add(1))%len(p.realms)]
	token, err := p.token(ctx, realm)
	if err != nil {
		return err
	}
	kid, err := kidOf(token)
	if err != nil {
		return err
	}
	p.kids.Store(kid, true)
	return p.pullWith(ctx, token)
}

func (p *puller) token(ctx context.Context, realm string) (string, error) {
	query := url.Values{"service": {p.service}, "scope": {"repository:" + pulled + ":pull"}}
	var answer struct {
		Token string `json:"token"`
	}
	err := getJSON(ctx, realm+"?"+query.Encode(), "", &answer)
	return answer.Token, err
}

// pullWith reads manifest and configuration with a token.
func (p *puller) pullWith(ctx context.Context, token string) error {
	var manifest struct {
		Config struct {
			Digest string `json:"digest"`
		} `json:"config"`
	}
	base := "http://" + p.host + "/v2/" + pulled
	if err := getJSON(ctx, base+"/manifests/latest", token, &manifest); err != nil {
		return err
	}
	var config map[string]any
	return getJSON(ctx, base+"/blobs/"+manifest.Config.Digest, token, &config)
}

// signers counts the keys that have signed tokens.
func (p *puller) signers() int {
	n := 0
	p.kids.Range(func(any, any) bool {
		n++
		return true
	})
	return n
}

// getJSON decodes what a URL answers with.
func getJSON(ctx context.Context, target, token string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Accept", "application/vnd.docker.distribution.manifest.v2+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %s", target, resp.Status, body)
	}
	return json.Unmarshal(body, into)
}

// kidOf is the key that a token names.
func kidOf(token string) (string, error) {
	encoded, _, _ := strings.Cut(token, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return "", err
	}
	var header struct {
		KeyID string `json:"kid"`
	}
	err = json.Unmarshal(decoded, &header)
	return header.KeyID, err
}

// pullAll lets the pullers take turns until there were as many pulls in all. Each time another share of them is
// done, it does the next step while pulls go on.
func pullAll(t *testing.T, pulls int, all []*puller, steps ...func() error) {
	t.Helper()
	var (
		done, failed atomic.Int64
		group        sync.WaitGroup
	)
	for worker := range pullers {
		group.Go(func() {
			for n := worker; n < pulls; n += pullers {
				if err := all[n%len(all)].pull(t.Context()); err != nil && failed.Add(1) <= 5 {
					assert.NoError(t, err, "pull %d", n)
				}
				done.Add(1)
			}
		})
	}
	for i, step := range steps {
		share := int64(pulls * (i + 1) / (len(steps) + 1))
		for done.Load() < share {
			time.Sleep(time.Millisecond)
		}
		assert.NoError(t, step(), "step %d", i) //nolint:testifylint // pulls are under way: they go on
	}
	group.Wait()
	require.Zero(t, failed.Load(), "of %d pulls", pulls)
}

// waitFor asks until the answer is yes.
func waitFor(t *testing.T, ask func() bool) {
	t.Helper()
	require.Eventually(t, ask, 20*time.Second, 100*time.Millisecond)
}
