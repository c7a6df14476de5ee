package page

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// sequences are the entries that a page of the audit lists.
func sequences(page string) []string {
	var all []string
	for _, match := range regexp.MustCompile(`href="/dockit/audit/(\d+)"`).FindAllStringSubmatch(page, -1) {
		all = append(all, match[1])
	}
	return all
}

// TestAuditIsFilteredAndPaged guards that the newest entries come first, that a filter holds on the next page, and that nothing is left out.
func TestAuditIsFilteredAndPaged(t *testing.T) {
	f := newFixture(t)
	for i := range 60 {
		f.make(fmt.Sprintf("robot:ci-%d", i))
	}
	b := f.signedIn("root")
	head, err := f.store.AuditHead(t.Context())
	require.NoError(t, err)
	page := b.get("audit?action=create").Body.String()
	first := sequences(page)
	require.Len(t, first, 50)
	assert.Equal(t, fmt.Sprint(head.Sequence), first[0])
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(page)
	require.NotNil(t, next)
	page = b.get(strings.TrimPrefix(unescaped(next[1]), frame.Root)).Body.String()
	second := sequences(page)
	assert.Equal(t, fmt.Sprint(head.Sequence-50), second[0])
	assert.Equal(t, "1", second[len(second)-1])
	assert.Contains(t, page, `value="create" selected`, "the filter holds")

	assert.Contains(t, b.get("audit").Body.String(), `<details class="card">`, "a form that is not used takes a line")

	today := time.Now().UTC()
	for query, want := range map[string]int{
		"subject=robot:ci-7":                   1,
		"subject=robot:nobody":                 0,
		"actor=user:root":                      0,
		"action=grant":                         0,
		"since=" + today.Format(time.DateOnly): 50,
		"until=" + today.AddDate(0, 0, -2).Format(time.DateOnly):              0,
		"until=" + today.AddDate(0, 0, 1).Format(time.DateOnly) + "&subject=": 50,
	} {
		answer := b.get("audit?" + query)
		assert.Equal(t, http.StatusOK, answer.Code, query)
		assert.Contains(t, answer.Body.String(), `<details class="card" open>`, "%s: what is left out is seen", query)
		assert.Len(t, sequences(answer.Body.String()), want, query)
	}
	for query, says := range map[string]string{
		"since=yesterday": "write it as 2026-01-31", "subject=alice": "alice", "actor=" + url.QueryEscape("user:A B"): "A B", "cursor=x": "cursor",
	} {
		answer := b.get("audit?" + query)
		assert.Equal(t, http.StatusUnprocessableEntity, answer.Code, query)
		assert.Equal(t, query != "cursor=x", strings.Contains(answer.Body.String(), `<details class="card" open>`), "%s: it can be mended", query)
		assert.Contains(t, answer.Body.String(), says, query)
	}
}

func TestAuditEntryInFull(t *testing.T) {
	f := newFixture(t)
	f.grant("alice", "repository:team/app:push")
	b := f.signedIn("root")
	entries, err := f.store.AuditEntries(t.Context(), store.AuditQuery{Action: "grant", Limit: 1})
	require.NoError(t, err)
	page := b.get(fmt.Sprintf("audit/%d", entries[0].Sequence)).Body.String()
	for _, says := range []string{"grant", "user:alice", "repository:team/app:push", entries[0].Hash, entries[0].Previous, "Dockit itself"} {
		assert.Contains(t, page, says)
	}
	for _, path := range []string{"audit/0", "audit/x", "audit/99999999", "audit/99999999999999999999"} {
		assert.Equal(t, http.StatusNotFound, b.get(path).Code, path)
	}
}

// TestAuditIsVerified guards that the page tells a chain that holds from one that does not.
func TestAuditIsVerified(t *testing.T) {
	f := newFixture(t)
	b := f.signedIn("root")
	kept, err := f.store.AuditHead(t.Context())
	require.NoError(t, err)
	f.grant("alice", "repository:team/app:push")
	head, err := f.store.AuditHead(t.Context())
	require.NoError(t, err)
	page := b.get("audit/verify").Body.String()
	assert.Contains(t, page, fmt.Sprintf("The chain holds: %d entries, from 1 on.", head.Sequence))
	assert.Contains(t, page, head.String())
	page = b.get("audit/verify?expect=" + url.QueryEscape(kept.String())).Body.String()
	assert.Contains(t, page, "The head that you kept is in it.")

	other := kept
	other.Hash = head.Hash
	page = b.get("audit/verify?expect=" + url.QueryEscape(other.String())).Body.String()
	assert.Contains(t, page, "The chain is broken")
	other = head
	other.Sequence++
	assert.Contains(t, b.get("audit/verify?expect="+url.QueryEscape(other.String())).Body.String(), "The chain is broken")
	assert.Equal(t, http.StatusUnprocessableEntity, b.get("audit/verify?expect=nonsense").Code)

	f.exec("UPDATE audit_entries SET actor = 'user:bob' WHERE sequence = 2")
	page = b.get("audit/verify").Body.String()
	assert.Contains(t, page, "The chain is broken")
	assert.Contains(t, page, "the entry was altered: 2")
	f.exec("DELETE FROM audit_entries WHERE sequence = 2")
	assert.Contains(t, b.get("audit/verify").Body.String(), "entries are missing: 3 follows 1")
}

// TestLockoutsAreForgotten guards that a name that is locked out stands at the page, and that an admin lets it in again.
func TestLockoutsAreForgotten(t *testing.T) {
	f := newFixture(t)
	root := f.signedIn("root")
	assert.Contains(t, root.get("lockouts").Body.String(), "No wrong passwords lately.")
	b := f.browser()
	b.address = "203.0.113.9"
	for range 30 {
		if b.post("sign-in", "name", "alice", "password", "not the password").Code == http.StatusTooManyRequests {
			break
		}
	}
	b.address = "203.0.113.10"
	b.post("sign-in", "name", "nobody-has-this", "password", "not the password")
	page := root.get("lockouts").Body.String()
	assert.Contains(t, page, "203.0.113.9/32")
	assert.Contains(t, page, "alice")
	assert.Contains(t, page, "names that nobody has")
	assert.NotContains(t, page, "nobody-has-this", "it may be a password")
	answer := root.post("lockouts/clear", "name", "alice", "network", "203.0.113.9/32")
	assert.Equal(t, "/dockit/lockouts?done=lockout-cleared", answer.Header().Get("Location"), "body: %s", answer.Body)
	page = root.get("lockouts").Body.String()
	assert.NotContains(t, page, "203.0.113.9/32")

	f.make("robot:ci")
	assert.Equal(t, http.StatusSeeOther, root.post("lockouts/clear", "name", "ci").Code, "that of a robot")
	for name, c := range map[string]struct {
		fields []string
		status int
	}{
		"nobody":      {[]string{"name", "nobody"}, http.StatusNotFound},
		"no name":     {nil, http.StatusNotFound},
		"odd network": {[]string{"name", "alice", "network", "home"}, http.StatusUnprocessableEntity},
	} {
		assert.Equal(t, c.status, root.post("lockouts/clear", c.fields...).Code, name)
	}
	entries, err := f.store.AuditEntries(t.Context(), store.AuditQuery{Action: "clear-lockout", Limit: 10})
	require.NoError(t, err)
	require.Len(t, entries, 1)
	assert.Equal(t, subject.Ref{Kind: subject.User, Name: "alice"}.String(), string(entries[0].Subject))
}
