package admin

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/issuertest"
)

// exchange begins a session of a job of an issuer.
func (f *fixture) exchange(issuer *issuertest.Issuer) auth.Session {
	f.t.Helper()
	token := issuer.Sign(f.t, issuer.Claims(time.Now(), "registry", issuertest.GitLab()))
	got, err := f.api.config.Auth.(*auth.Authenticator).Exchange(f.t.Context(), auth.Exchange{Token: token, Service: "registry"})
	require.NoError(f.t, err)
	return got
}

func TestSessionsOverTheAPI(t *testing.T) {
	f, issuer := federated(t)
	sessions := []auth.Session{f.exchange(issuer), f.exchange(issuer), f.exchange(issuer)}
	var all, page adminapi.List[adminapi.Session]
	f.do("GET", "/robots/ci/sessions", "").decode(t, &all)
	require.Len(t, all.Items, 3)
	first := all.Items[0]
	assert.Equal(t, sessions[2].Token.ID(), first.ID, "the latest first")
	assert.Equal(t, []any{robot("ci"), "access", "gitlab", "app-main", "registry"}, []any{first.Owner, first.Kind, first.Issuer, first.Binding, first.Service})
	assert.Equal(t, []string{"project_id=20", "ref_protected=true"}, first.Claims)
	assert.Contains(t, first.Job, "project_path=group/app")
	assert.Contains(t, first.Job, "job_id=302")
	var ids []string
	for query := "?limit=2"; ; {
		f.do("GET", "/robots/ci/sessions"+query, "").decode(t, &page)
		for _, one := range page.Items {
			ids = append(ids, one.ID)
		}
		if page.NextCursor == "" {
			break
		}
		query, page = "?limit=2&cursor="+page.NextCursor, adminapi.List[adminapi.Session]{}
	}
	assert.Equal(t, []string{all.Items[0].ID, all.Items[1].ID, all.Items[2].ID}, ids)
	assert.Equal(t, http.StatusUnprocessableEntity, f.do("GET", "/robots/ci/sessions?cursor=eA", "").StatusCode)
	got := f.do("GET", "/sessions/"+first.ID, "")
	var shown adminapi.Session
	got.decode(t, &shown)
	assert.Equal(t, first, shown)
	for _, session := range sessions {
		assert.NotContains(t, got.body, session.Token.Reveal())
	}

	// It opens nothing here, and none of the robot's tokens is one.
	assert.Equal(t, http.StatusUnauthorized, f.do("GET", "/users", "", as("ci", sessions[0].Token.Reveal())).StatusCode)
	assert.Equal(t, http.StatusNotFound, f.do("DELETE", "/access-tokens/"+first.ID, "").StatusCode)
	for range 2 {
		assert.Equal(t, http.StatusCreated, f.do("POST", "/robots/ci/access-tokens", `{}`).StatusCode)
	}

	assert.Equal(t, http.StatusNoContent, f.do("DELETE", "/sessions/"+first.ID, "").StatusCode)
	assert.Equal(t, http.StatusNotFound, f.do("DELETE", "/sessions/"+first.ID, "").StatusCode)
	var revoked adminapi.RevokedSessions
	f.do("DELETE", "/robots/ci/sessions", "").decode(t, &revoked)
	assert.EqualValues(t, 2, revoked.Revoked)
	f.do("GET", "/robots/ci/sessions", "").decode(t, &page)
	assert.Empty(t, page.Items)
	assert.Equal(t, http.StatusNotFound, f.do("GET", "/robots/nobody/sessions", "").StatusCode)
}
