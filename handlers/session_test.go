package handlers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/store"
)

// refreshing asks for a token with a refresh token, as docker and podman do.
func refreshing(f *fixture, refreshToken, of string, more ...string) *httptest.ResponseRecorder {
	f.Helper()
	return f.post(append([]string{"grant_type=refresh_token", "service=" + of, "refresh_token=" + refreshToken, "client_id=docker"}, more...)...)
}

// TestJobGetsARefreshToken: whether refresh tokens are on for people or not, and the
// docker login by it goes on as a person's does.
func TestJobGetsARefreshToken(t *testing.T) {
	const wanted = "scope=repository:team/app:pull,push"
	pullOnly := access.Permission{Type: access.Repository, Name: "team/app", Actions: access.Pull}
	for name, c := range map[string]struct {
		on     bool
		scopes []access.Permission
		opens  []string
	}{
		"refresh tokens off for people": {false, nil, []string{"repository:team/app:pull,push"}},
		"refresh tokens on for people":  {true, nil, []string{"repository:team/app:pull,push"}},
		"scopes of the binding":         {false, []access.Permission{pullOnly}, []string{"repository:team/app:pull"}},
	} {
		t.Run(name, func(t *testing.T) {
			f, i := withIssuer(t, c.scopes...)
			f.with(auth.Options{RefreshTokens: c.on})
			for _, username := range []string{"ci", "_"} {
				for way, w := range byEachWay(f, username, jobToken(t, i), wanted, "offline_token=true", "access_type=offline") {
					given := f.answer(w).RefreshToken
					require.Regexp(t, "^dockitrefresh_", given, way)
					again := refreshing(f, given, service, wanted)
					claims, opens := f.token(again)
					assert.Equal(t, "ci", claims.Subject, way)
					assert.Equal(t, c.opens, opens, way)
					assert.Equal(t, given, f.answer(again).RefreshToken, "%s: it stays the same", way)
					for _, as := range []string{"", "<token>", "ci", "_", "CI"} {
						_, opens := f.token(f.get(as+":"+given, "service="+service, wanted))
						assert.Equal(t, c.opens, opens, "%s as %q", way, as)
					}
					f.refused(f.get("alice:"+given, "service="+service), http.StatusUnauthorized)
					f.refused(refreshing(f, given, zotService), http.StatusBadRequest)
					forged := given[:len(given)-20] + strings.Repeat("a", 20)
					f.refused(refreshing(f, forged, service), http.StatusBadRequest)
				}
			}
			sessions, err := f.store.Sessions(t.Context(), ciRef, store.Page{Limit: 10})
			require.NoError(t, err)
			require.Len(t, sessions, 4)
			assert.Equal(t, []any{store.RefreshSession, "github", "app", service}, []any{sessions[0].Kind, sessions[0].Issuer, sessions[0].Binding, sessions[0].Service})
			assert.Equal(t, "[{repository_id [74]} {ref [refs/heads/main]}]", fmt.Sprint(sessions[0].Claims))
			assert.Equal(t, "[repository=octo/app run_id=1001 run_attempt=2 check_run_id=31 actor=mona]", fmt.Sprint(sessions[0].Job))

			_, _, err = f.store.SetBindingDisabled(t.Context(), "app", true, 0)
			require.NoError(t, err)
			_, _, err = f.store.SetBindingDisabled(t.Context(), "app", false, 0)
			require.NoError(t, err)
			for _, w := range byEachWay(f, "ci", jobToken(t, i), "offline_token=true", "access_type=offline") {
				given := f.answer(w).RefreshToken
				f.token(refreshing(f, given, service))
				require.NoError(t, f.store.DeleteBinding(t.Context(), "app", 0))
				told := f.refused(refreshing(f, given, service), http.StatusBadRequest)
				assert.Contains(t, told, "log in again")
				break
			}
		})
	}
}

// TestPeopleGetNoRefreshTokenWhereTheyAreOff, though jobs do.
func TestPeopleGetNoRefreshTokenWhereTheyAreOff(t *testing.T) {
	f := withPeople(t)
	for way, w := range byEachWay(f, "alice", "correct horse battery", "offline_token=true", "access_type=offline") {
		assert.Empty(t, f.answer(w).RefreshToken, way)
	}
}

func TestLogSaysWhichJobASessionIsOf(t *testing.T) {
	f, i := withIssuer(t)
	given := f.answer(f.get("_:"+jobToken(t, i), "service="+service, "offline_token=true")).RefreshToken
	logs := f.logged()
	f.token(refreshing(f, given, service))
	require.NoError(t, f.store.DeleteBinding(t.Context(), "app", 0))
	f.refused(refreshing(f, given, service), http.StatusBadRequest)
	lines := logs.TakeAll()
	require.Len(t, lines, 2)
	fields := lines[0].ContextMap()
	assert.Equal(t, []any{"ci", "github", "app"}, []any{fields["subject"], fields["issuer"], fields["binding"]})
	assert.Contains(t, fmt.Sprint(fields["job"]), "run_id=1001")
	assert.NotContains(t, fmt.Sprint(fields), given)
	assert.NotEmpty(t, lines[1].ContextMap()["reason"])
}
