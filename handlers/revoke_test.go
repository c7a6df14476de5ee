package handlers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/store"
)

// revoking ends a token by RFC 7009.
func revoking(f *fixture, fields ...string) *httptest.ResponseRecorder {
	f.Helper()
	r := httptest.NewRequest(http.MethodPost, revokePath, strings.NewReader(form(fields...)))
	r.Header.Set("Content-Type", formType)
	return f.do(r)
}

func revoked(f *fixture, fields ...string) {
	f.Helper()
	w := revoking(f, fields...)
	require.Equal(f, http.StatusOK, w.Code, "%s", w.Body)
	require.Empty(f, w.Body.String())
	require.Equal(f, "no-store", w.Header().Get("Cache-Control"))
}

func TestRevokeEndsASession(t *testing.T) {
	f, i := withIssuer(t)
	for name, hint := range map[string]string{"no hint": "", "the right hint": "access_token", "the other hint": "refresh_token", "a hint of the future": "saml"} {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			more := []string{}
			if hint != "" {
				more = append(more, "token_type_hint="+hint)
			}
			access := f.exchanged(exchange(f, jobToken(t, i))).AccessToken
			refresh := f.answer(f.get("ci:"+jobToken(t, i), "service="+service, "offline_token=true")).RefreshToken
			f.token(f.get("ci:"+access, "service="+service))
			f.token(refreshing(f, refresh, service))
			revoked(f, append(more, "token="+access)...)
			f.refused(f.get("ci:"+access, "service="+service), http.StatusUnauthorized)
			f.token(refreshing(f, refresh, service))
			revoked(f, append(more, "token="+refresh)...)
			f.refused(refreshing(f, refresh, service), http.StatusBadRequest)
			revoked(f, append(more, "token="+refresh)...)
		})
	}
}

func TestRevokeEndsADockerLogin(t *testing.T) {
	f := withPeople(t)
	f.with(auth.Options{RefreshTokens: true})
	login := func() string { return f.answer(f.get(alice, "service="+service, "offline_token=true")).RefreshToken }
	one, other := login(), login()
	revoked(f, "token="+one)
	f.refused(refreshing(f, one, service), http.StatusBadRequest)
	f.token(refreshing(f, other, service))
	f.with(auth.Options{})
	revoked(f, "token="+other)
	_, err := f.store.RefreshToken(t.Context(), strings.Split(other, "_")[1])
	require.ErrorIs(t, err, store.ErrNotFound, "also where they were switched off")
}

// TestRevokeLeavesAccessTokens: many machines may share one.
func TestRevokeLeavesAccessTokens(t *testing.T) {
	f := withPeople(t)
	f.subject(store.NewSubject{Ref: ciRef})
	_, made, err := f.server.config.Auth.CreateAccessToken(t.Context(), auth.TokenRequest{Owner: ciRef})
	require.NoError(t, err)
	w := revoking(f, "token="+made.Reveal())
	assert.Contains(t, f.refused(w, http.StatusBadRequest), "rbac token revoke")
	assert.Contains(t, w.Body.String(), `"error":"unsupported_token_type"`)
	f.token(f.get("ci:"+made.Reveal(), "service="+service))
	forged := made.Reveal()[:20] + strings.Repeat("a", 32)
	revoked(f, "token="+forged)
	registry := struct{ Token string }{}
	decode(t, f.get(alice, "service="+service), &registry)
	w = revoking(f, "token="+registry.Token)
	assert.Contains(t, f.refused(w, http.StatusBadRequest), "ends by itself")
	assert.Contains(t, w.Body.String(), `"error":"unsupported_token_type"`)
}

func TestRevokeKnowsNothingOfOtherTokens(t *testing.T) {
	f, i := withIssuer(t)
	got := f.exchanged(exchange(f, jobToken(t, i))).AccessToken
	secret := got[len("dockit_")+13:]
	for name, token := range map[string]string{
		"a password":     "correct horse battery",
		"a job's own":    jobToken(t, i),
		"cut":            got[:len(got)-1],
		"another secret": strings.Replace(got, secret[:32], strings.Repeat("a", 32), 1),
	} {
		revoked(f, "token="+token)
		_ = name
	}
	f.token(f.get("ci:"+got, "service="+service))
	for name, c := range map[string]struct {
		fields []string
		says   string
	}{
		"no token":   {[]string{"token_type_hint=access_token"}, "token is missing"},
		"two tokens": {[]string{"token=a", "token=b"}, "2 times"},
		"two hints":  {[]string{"token=a", "token_type_hint=a", "token_type_hint=b"}, "2 times"},
	} {
		w := revoking(f, c.fields...)
		assert.Contains(t, f.refused(w, http.StatusBadRequest), c.says, name)
		assert.Contains(t, w.Body.String(), `"error":"invalid_request"`, name)
	}
	w := f.do(httptest.NewRequest(http.MethodGet, revokePath+"?token="+got, nil))
	f.refused(w, http.StatusMethodNotAllowed)
	assert.Equal(t, http.MethodPost, w.Header().Get("Allow"))
	f.token(f.get("ci:"+got, "service="+service))
}

func TestRevocationIsLogged(t *testing.T) {
	f, i := withIssuer(t)
	got := f.exchanged(exchange(f, jobToken(t, i))).AccessToken
	logs := f.logged()
	revoked(f, "token="+got, "client_id=dockit")
	revoked(f, "token="+got)
	lines := logs.TakeAll()
	require.Len(t, lines, 1, "what ends nothing says nothing")
	fields := lines[0].ContextMap()
	assert.Equal(t, []any{"revoke", "ci", "github", "app", "dockit"}, []any{fields["grant"], fields["subject"], fields["issuer"], fields["binding"], fields["user_agent"]})
	assert.Contains(t, fmt.Sprint(fields["job"]), "run_id=1001")
	assert.NotContains(t, fmt.Sprint(fields), got)
}

func TestRevokeWithoutTheDatabase(t *testing.T) {
	f, i := withIssuer(t)
	got := f.exchanged(exchange(f, jobToken(t, i))).AccessToken
	f.token(f.get("ci:"+got, "service="+service))
	require.NoError(t, f.store.Close())
	for name, w := range map[string]*httptest.ResponseRecorder{
		"what is in memory": revoking(f, "token="+got),
		"what is not":       revoking(f, "token=dockit_abcdefghij23_abcdefghijklmnopqrstuvwxyz234567dieiifg"),
		"exchange":          exchange(f, jobToken(t, i, map[string]any{"jti": "x"})),
	} {
		f.refused(w, http.StatusServiceUnavailable)
		assert.NotEmpty(t, w.Header().Get("Retry-After"), name)
	}
}
