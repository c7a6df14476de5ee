package auth

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/store"
)

func TestAttemptSaysWhy(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{RefreshTokens: true})
		refresh, access := f.login(), f.token(TokenRequest{Owner: aliceRef, Name: "a"})
		ended := f.token(TokenRequest{Owner: f.Robot("ci"), Name: "b"})
		disabled := true
		f.Change("ci", store.SubjectChange{Disabled: &disabled})
		f.Change("bob", store.SubjectChange{Disabled: &disabled})
		for name, tc := range map[string]struct {
			username, pw string
			subject      string
			token        bool
			fault        string
		}{
			"right password":             {"alice", secret, "user:alice", false, ""},
			"wrong password":             {"alice", "wrong", "user:alice", false, "wrong password"},
			"a name that nobody has":     {"planted", "wrong", ":", false, "nobody has this name"},
			"no name at all":             {"my password!", "wrong", ":", false, "nobody has this name"},
			"disabled":                   {"bob", secret, "user:bob", false, "the subject is disabled"},
			"right access token":         {"alice", access, "user:alice", true, ""},
			"under another name":         {"bob", access, "user:alice", true, "access token: it is used under another name than its owner's"},
			"mistyped access token":      {"alice", opaque.New(opaque.Access).Reveal(), ":", true, "no such access token"},
			"access token of a disabled": {"ci", ended, "robot:ci", true, "access token: its owner is disabled"},
			"right refresh token":        {"", refresh, "user:alice", true, ""},
			"refresh token of another":   {"bob", refresh, "user:alice", true, "refresh token: it is used under another name than its owner's"},
		} {
			var got Attempt
			_, err := f.Authenticate(WithAttempt(from(f.Context(), home), &got), tc.username, tc.pw)
			if tc.fault == "" {
				require.NoError(t, err, name)
			} else {
				require.ErrorIs(t, err, ErrInvalidCredentials, name)
			}
			assert.Equal(t, tc.subject, got.Subject.String(), name)
			assert.Equal(t, tc.fault, got.Fault, name)
			assert.Equal(t, tc.token, got.TokenID != "", name)
		}
	})
}
