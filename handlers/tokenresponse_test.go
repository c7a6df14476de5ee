package handlers

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/token"
)

// TestTokenResponseIsWhatALibraryWrites guards the form of an answer, to the order of its fields.
func TestTokenResponseIsWhatALibraryWrites(t *testing.T) {
	type answer struct {
		Token        string    `json:"token"`
		AccessToken  string    `json:"access_token"`
		Scope        *string   `json:"scope,omitempty"`
		ExpiresIn    int       `json:"expires_in"`
		IssuedAt     time.Time `json:"issued_at"`
		RefreshToken string    `json:"refresh_token,omitempty"`
	}
	at := time.Date(2026, 11, 27, 13, 0, 0, 0, time.UTC)
	nothing, something := "", "repository:team/app:pull,push registry:catalog:*"
	for name, tc := range map[string]struct {
		response tokenResponse
		want     answer
	}{
		"GET": {
			tokenResponse{Issued: token.Issued{Token: "a.b-_.c", IssuedAt: at, ExpiresIn: 300}},
			answer{Token: "a.b-_.c", AccessToken: "a.b-_.c", ExpiresIn: 300, IssuedAt: at},
		},
		"refresh token": {
			tokenResponse{Issued: token.Issued{Token: "a", IssuedAt: at, ExpiresIn: 60}, refreshToken: "dockitrefresh_a_b"},
			answer{Token: "a", AccessToken: "a", ExpiresIn: 60, IssuedAt: at, RefreshToken: "dockitrefresh_a_b"},
		},
		"POST, nothing granted": {
			tokenResponse{Issued: token.Issued{Token: "a", IssuedAt: at, ExpiresIn: 60}, oauth: true},
			answer{Token: "a", AccessToken: "a", Scope: &nothing, ExpiresIn: 60, IssuedAt: at},
		},
		"POST": {
			tokenResponse{Issued: token.Issued{Token: "a", IssuedAt: at, ExpiresIn: 60}, oauth: true, granted: []access.Scope{
				{Type: access.Repository, Name: "team/app", Actions: access.Pull | access.Push}, access.Scope(access.Catalog),
			}},
			answer{Token: "a", AccessToken: "a", Scope: &something, ExpiresIn: 60, IssuedAt: at},
		},
	} {
		want, err := json.Marshal(tc.want)
		require.NoError(t, err, name)
		assert.Equal(t, string(want)+"\n", string(tc.response.append(nil)), name)
	}
}
