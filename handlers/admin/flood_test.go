package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/store"
)

// flood is a client that sends as many requests as go through, from one address.
type flood struct {
	connections int
	// once sends what is to be repeated.
	once func(send func(method, path, body string) answer)
	// username and password say who.
	username, password string
	during             time.Duration
	// atLeast is how many requests are sent, however long that takes.
	atLeast int64
}

// floods are the attacks that filled the audit. The robot's password is its
// access token.
func floods(f *fixture) map[string]flood {
	f.create(store.NewSubject{Ref: robot("nosy")})
	f.create(store.NewSubject{Ref: user("busy")})
	_, secret, err := f.api.config.Auth.CreateAccessToken(f.t.Context(), auth.TokenRequest{Owner: robot("nosy"), Name: "x"})
	require.NoError(f.t, err)
	look := func(send func(method, path, body string) answer) { send("GET", "/users", "") }
	return map[string]flood{
		"a robot without rights": {8, look, "nosy", secret.Reveal(), 6 * time.Second, 0},
		"impossible names":       {8, look, "No Such Name", "x", 6 * time.Second, 0},
		"own tokens": {1, func(send func(method, path, body string) answer) {
			var made adminapi.IssuedAccessToken
			if got := send("POST", "/users/busy/access-tokens", `{"name":"x"}`); got.StatusCode == http.StatusCreated {
				got.decode(f.t, &made)
				send("DELETE", "/access-tokens/"+made.ID, "")
			}
		}, "busy", goodPassword, 3 * time.Second, 0},
	}
}

// run returns how many requests were answered, how many of them with 429, and
// how many entries the audit has got from them.
func (a flood) run(f *fixture) (requests, limited, entries int64) {
	before, err := f.store.AuditHead(f.t.Context())
	require.NoError(f.t, err)
	var sent, throttled atomic.Int64
	send := func(method, path, body string) answer {
		r := httptest.NewRequestWithContext(f.t.Context(), method, "/dockit/api/v1"+path, bytes.NewBufferString(body))
		r.RemoteAddr = "192.0.2.9:4711"
		fromAddress("203.0.113.9")(r)
		r.SetBasicAuth(a.username, a.password)
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		w := httptest.NewRecorder()
		f.api.ServeHTTP(w, r)
		sent.Add(1)
		if w.Code == http.StatusTooManyRequests {
			throttled.Add(1)
		}
		return answer{w.Result(), w.Body.Bytes()}
	}
	end := time.Now().Add(a.during)
	var connections sync.WaitGroup
	for range a.connections {
		connections.Go(func() {
			for time.Now().Before(end) || sent.Load() < a.atLeast {
				a.once(send)
			}
		})
	}
	connections.Wait()
	f.flush()
	after, err := f.store.AuditHead(f.t.Context())
	require.NoError(f.t, err)
	return sent.Load(), throttled.Load(), after.Sequence - before.Sequence
}

// BenchmarkFloods measures what the attacks write. Run it with -benchtime 1x.
func BenchmarkFloods(b *testing.B) {
	for _, name := range []string{"a robot without rights", "impossible names", "own tokens"} {
		b.Run(name, func(b *testing.B) {
			var requests, entries int64
			for range b.N {
				f := newFixture(b)
				sent, _, written := floods(f)[name].run(f)
				requests, entries = requests+sent, entries+written
			}
			b.ReportMetric(float64(requests)/float64(b.N), "requests")
			b.ReportMetric(float64(entries)/float64(b.N), "entries")
		})
	}
}

// TestRefusedRequestsDoNotFillTheAudit is the benchmark, shorter.
func TestRefusedRequestsDoNotFillTheAudit(t *testing.T) {
	for name, most := range map[string]int64{"a robot without rights": 2, "impossible names": 2, "own tokens": 24} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			attack := floods(f)[name]
			attack.during, attack.atLeast = time.Second, 100
			began := time.Now()
			requests, limited, entries := attack.run(f)
			if name == "own tokens" { // one more is free every second
				most += int64(time.Since(began) / time.Second)
			}
			t.Logf("%d requests, %d of them limited, %d entries", requests, limited, entries)
			assert.LessOrEqual(t, entries, most)
			assert.Positive(t, entries, "the evidence is there")
			assert.Greater(t, limited, requests/2)
			var counted int64
			for _, e := range f.audit("?limit=1000") {
				if e.Action.Refusal() {
					var state refusalState
					require.NoError(t, json.Unmarshal(e.After, &state))
					counted += state.Count
					assert.Equal(t, "203.0.113.9", e.Address)
				}
			}
			if name == "own tokens" {
				assert.Equal(t, limited, counted, "each one is counted")
			} else {
				assert.Equal(t, requests, counted, "each one is counted")
			}
		})
	}
}

// TestHonestScriptsAreNotLimited makes a thousand changes as fast as it can.
func TestHonestScriptsAreNotLimited(t *testing.T) {
	f := populated(t)
	for i := range 1000 {
		got := f.do("POST", "/users/bob/permissions", fmt.Sprintf(`{"permission":"repository:team/app-%d:pull"}`, i), fromAddress("203.0.113.9"))
		require.Equal(t, http.StatusOK, got.StatusCode, "grant %d: %s", i, got.body)
	}
}

// TestThrottledAnswers looks at the answers to a client that asks too often, and
// that no other has to wait for that.
func TestThrottledAnswers(t *testing.T) {
	f := populated(t)
	from := func(address, username, password string) func(*http.Request) {
		return func(r *http.Request) {
			r.SetBasicAuth(username, password)
			fromAddress(address)(r)
		}
	}
	for name, c := range map[string]struct {
		method, path, body string
		username, password string
		status             int
	}{
		"not an admin":       {"GET", "/users", "", "alice", goodPassword, 403},
		"malformed requests": {"POST", "/users", `{"ADMIN":true}`, "root", goodPassword, 422},
		"foreign ids":        {"DELETE", "/access-tokens/abcdefghijkl", "", "bob", goodPassword, 403},
		"impossible names":   {"GET", "/users", "", "No Name", "x", 401},
	} {
		t.Run(name, func(t *testing.T) {
			address := "203.0.113." + strconv.Itoa(len(name)) // each case has its own
			got := f.do(c.method, c.path, c.body, from(address, c.username, c.password))
			require.Equal(t, c.status, got.StatusCode, "body: %s", got.body)
			for range 200 {
				if got = f.do(c.method, c.path, c.body, from(address, c.username, c.password)); got.StatusCode == http.StatusTooManyRequests {
					break
				}
				require.Equal(t, c.status, got.StatusCode, "body: %s", got.body)
			}
			assert.Equal(t, http.StatusTooManyRequests, got.StatusCode)
			assert.Equal(t, adminapi.CodeThrottled, got.problem(t).Code)
			assert.Regexp(t, "^[1-9][0-9]?$", got.Header.Get("Retry-After"))
			assert.Equal(t, c.status, f.do(c.method, c.path, c.body, from("203.0.113.100", c.username, c.password)).StatusCode, "from elsewhere")
			if c.username != "root" {
				assert.Equal(t, http.StatusOK, f.do("GET", "/users", "", from(address, "root", goodPassword)).StatusCode, "somebody else there")
			}
		})
	}
}
