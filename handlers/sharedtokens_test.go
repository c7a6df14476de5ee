package handlers

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// sharing has the server give who asks for the very same the very same token.
func (f *fixture) sharing() {
	f.Helper()
	config := f.server.config
	config.SharedTokens = true
	var err error
	f.server, err = New(config)
	require.NoError(f, err)
}

// TestSharedTokens guards that a token is shared by who asks for the very same alone, and that what somebody may do is found out for
// each request: what was taken away is in no token, however short the time since the last one.
func TestSharedTokens(t *testing.T) {
	f := withPeople(t)
	f.sharing()
	robot := subject.Ref{Kind: subject.Robot, Name: "puller"}
	f.subject(store.NewSubject{Ref: robot}, "repository:team/app:pull")
	first := robot.Name + ":" + f.accessToken(robot, "first").Reveal()
	second := robot.Name + ":" + f.accessToken(robot, "second").Reveal()
	const ask = "scope=repository:team/app:pull"
	text := func(credentials string, query ...string) string {
		t.Helper()
		var answer struct{ Token string }
		w := f.get(credentials, append(query, "service="+service)...)
		f.token(w)
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		return answer.Token
	}
	shared := false
	for range 20 { // a second may end in between
		if shared = text(first, ask) == text(second, ask); shared {
			break
		}
	}
	assert.True(t, shared, "a fleet has a token for each request")
	assert.NotEqual(t, text(first, ask), text(alice, ask), "a token is shared by another subject")
	assert.NotEqual(t, text(first, ask), text("", ask), "a token is shared by nobody")
	assert.NotEqual(t, text(first, ask), text(first), "a token is shared by a request without scopes")
	for range 20 {
		p, err := access.ParsePermission("repository:team/app:pull")
		require.NoError(t, err)
		_, opens := f.token(f.get(first, ask, "service="+service))
		require.Len(t, opens, 1)
		_, err = f.store.Revoke(t.Context(), robot, p)
		require.NoError(t, err)
		_, opens = f.token(f.get(first, ask, "service="+service))
		require.Empty(t, opens, "a token opens what was taken away")
		f.grant(robot, "repository:team/app:pull")
	}
	f.disable(robot)
	f.refused(f.get(first, ask, "service="+service), 401)
}
