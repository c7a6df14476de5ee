package handlers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/issuertest"
	"github.com/dockit-registry/dockit/store"
)

// withIssuer is a fixture that trusts an issuer, whose jobs of a repository stand
// for robot:ci.
func withIssuer(t testing.TB, scopes ...access.Permission) (*fixture, *issuertest.Issuer) {
	t.Helper()
	f := newFixture(t)
	return f, f.issuer(scopes...)
}

func (f *fixture) issuer(scopes ...access.Permission) *issuertest.Issuer {
	f.Helper()
	t, i := f.TB, issuertest.Offline(f, "https://token.actions.githubusercontent.com")
	f.subject(store.NewSubject{Ref: ciRef}, "repository:team/*:pull,push")
	_, err := f.store.CreateIssuer(t.Context(), federation.Issuer{Name: "github", URL: i.URL, Kind: federation.GitHub, JWKS: string(i.JWKS())}, federation.Keys{})
	require.NoError(t, err)
	_, _, err = f.store.CreateBinding(t.Context(), federation.Binding{
		Name: "app", Issuer: "github", Robot: ciRef, Scopes: scopes,
		Claims: []federation.Condition{{Name: "repository_id", Value: "74"}, {Name: "ref", Value: "refs/heads/main"}},
	})
	require.NoError(t, err)
	return i
}

func jobToken(t testing.TB, i *issuertest.Issuer, more ...map[string]any) string {
	t.Helper()
	return i.Sign(t, i.Claims(time.Now(), service, append([]map[string]any{issuertest.GitHub()}, more...)...))
}

// byEachWay asks for a token with a password by GET and by POST.
func byEachWay(f *fixture, username, password string, more ...string) map[string]*httptest.ResponseRecorder {
	f.Helper()
	query := append([]string{"service=" + service}, more...)
	return map[string]*httptest.ResponseRecorder{
		"GET":  f.get(username+":"+password, query...),
		"POST": f.post(append(slices.Clone(query), "grant_type=password", "username="+username, "password="+password, "client_id=docker")...),
	}
}

func TestTokenOfAnIssuerAsPassword(t *testing.T) {
	const wanted = "scope=repository:team/app:pull,push"
	pullOnly := access.Permission{Type: access.Repository, Name: "team/app", Actions: access.Pull}
	for name, c := range map[string]struct {
		scopes []access.Permission
		opens  []string
	}{
		"all that the robot may":      {nil, []string{"repository:team/app:pull,push"}},
		"cut to the binding's scopes": {[]access.Permission{pullOnly}, []string{"repository:team/app:pull"}},
	} {
		t.Run(name, func(t *testing.T) {
			f, i := withIssuer(t, c.scopes...)
			for _, username := range []string{"ci", "_"} {
				for way, w := range byEachWay(f, username, jobToken(t, i), wanted) {
					claims, opens := f.token(w)
					assert.Equal(t, "ci", claims.Subject, way)
					assert.Equal(t, c.opens, opens, way)
					assert.NotContains(t, w.Body.String(), "refresh_token", way)
				}
			}
		})
	}
}

// TestLargestTokenOfAnIssuer: it is taken by GET and POST, and a larger one is
// refused with its reason.
func TestLargestTokenOfAnIssuer(t *testing.T) {
	f, i := withIssuer(t)
	size := func(filler int) string { return jobToken(t, i, map[string]any{"x": strings.Repeat("x", filler)}) }
	const most = 24_576
	filler := (most - len(size(0))) * 3 / 4
	for len(size(filler)) <= most {
		filler++
	}
	largest := size(filler - 1)
	require.InDelta(t, most, len(largest), 2)
	for way, w := range byEachWay(f, "ci", largest) {
		f.token(w)
		assert.Equal(t, http.StatusOK, w.Code, way)
	}
	for way, w := range byEachWay(f, "ci", size(filler)) {
		assert.Contains(t, f.refused(w, http.StatusUnauthorized), "at most 24576", way)
	}
}

func TestClientHearsWhyATokenOfAnIssuerIsRefused(t *testing.T) {
	f, i := withIssuer(t)
	logs := f.logged()
	token := jobToken(t, i, map[string]any{"ref": "refs/heads/dev"})
	for way, w := range byEachWay(f, "ci", token) {
		told := f.refused(w, http.StatusUnauthorized)
		assert.Contains(t, told, `its ref is "refs/heads/dev"`, way)
		assert.NotContains(t, told, "refs/heads/main", "%s: what would do is not told", way)
	}
	lines := logs.TakeAll()
	require.Len(t, lines, 2)
	for _, line := range lines {
		fields := line.ContextMap()
		assert.Equal(t, "github", fields["issuer"])
		assert.Equal(t, "app", fields["binding"])
		assert.Contains(t, fields["reason"], "wanted is refs/heads/main")
		assert.NotContains(t, fmt.Sprint(fields), token)
	}
	for way, w := range byEachWay(f, "ci", jobToken(t, i, map[string]any{"aud": "sts.amazonaws.com"})) {
		assert.Contains(t, f.refused(w, http.StatusUnauthorized), `ask for a token with "`+service+`"`, way)
	}
}

func TestLogSaysWhichJobGotAToken(t *testing.T) {
	f, i := withIssuer(t)
	logs := f.logged()
	token := jobToken(t, i)
	f.token(f.get("_:"+token, "service="+service))
	lines := logs.TakeAll()
	require.Len(t, lines, 1)
	fields := lines[0].ContextMap()
	assert.Equal(t, "ci", fields["subject"])
	assert.Equal(t, []any{"github", "app"}, []any{fields["issuer"], fields["binding"]})
	assert.Equal(t, "[repository=octo/app run_id=1001 run_attempt=2 check_run_id=31 actor=mona]", fmt.Sprint(fields["job"]))
	assert.NotContains(t, fmt.Sprint(fields), token)
}
