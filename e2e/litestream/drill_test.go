package litestream

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// TestDrill is the drill of the guide: subjects and permissions change, the machine is lost, the database is restored,
// and Dockit goes on with the same keys. It tells what is lost where changes do not wait for the replica.
func TestDrill(t *testing.T) {
	t.Parallel()
	m := newMachine(t, false)
	var changes ledger
	before := m.token(t)
	changes.write(t.Context(), m, "", 4)
	m.replicated(t)
	time.Sleep(4 * time.Second) // what is lost is the last of what was made for a while

	at := m.lose(t)
	changes.end()
	m.restore(t)
	m.requireKey(t)
	m.start(t)

	lost := changes.lost(t, m)
	oldest := time.Duration(0)
	for _, c := range lost {
		oldest = max(oldest, at.Sub(c.ended))
	}
	t.Logf("%d changes were acknowledged, one after %s; %d of the last %d ms were lost", changes.acknowledged(), changes.took(), len(lost), oldest.Milliseconds())
	assert.Less(t, oldest, 20*time.Second, "what is lost was made lately")

	require.NoError(t, m.trust.Verify(before, "public/app"), "a token of before")
	require.NoError(t, m.trust.Verify(m.token(t), "public/app"), "a token of a Dockit that was restored, at a registry that was not told")
	verified, err := m.Admin().Run(t.Context(), "rbac", "audit", "verify")
	require.NoError(t, err)
	t.Log(strings.TrimSpace(verified))

	// And it goes on being replicated: the same once more.
	acknowledged := changes.acknowledged()
	changes.write(t.Context(), m, "-again", 4)
	require.Eventually(t, func() bool { return changes.acknowledged() > acknowledged }, time.Minute, 10*time.Millisecond)
	m.replicated(t)
	m.lose(t)
	changes.end()
	m.restore(t)
	m.start(t)
	again := 0
	for robot := range m.rights(t) {
		if strings.HasPrefix(robot, "w-again") {
			again++
		}
	}
	assert.Positive(t, again, "what was changed after the first time")
}

// requireKey starts Dockit without the key that its private keys are sealed with.
func (m *machine) requireKey(t *testing.T) {
	t.Helper()
	c := m.config()
	c.Env = nil
	p, err := dockit.Run(t.Context(), c)
	require.NoError(t, err)
	<-p.Done()
	assert.Contains(t, p.Output(), "encryption key")
	assert.NotContains(t, p.Output(), m.key)
}

// token is one that allows the anonymous to pull.
func (m *machine) token(t *testing.T) string {
	t.Helper()
	a, err := m.admin.Send(t.Context(), http.MethodPost, api+"/users/anonymous/permissions", map[string]string{"permission": "repository:public/*:pull"})
	require.NoError(t, err)
	require.Truef(t, a.OK(), "%s", a)
	a, err = call.Caller{Base: m.URL}.Send(t.Context(), http.MethodGet, "/v2/token?service="+service+"&scope=repository:public/app:pull", nil)
	require.NoError(t, err)
	var issued struct{ Token string }
	require.NoError(t, json.Unmarshal(a.Body, &issued))
	return issued.Token
}
