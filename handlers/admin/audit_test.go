package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/opaque"
)

func (f *fixture) audit(query string) []adminapi.AuditEntry {
	f.t.Helper()
	f.flush()
	got := f.do("GET", "/audit"+query, "")
	require.Equal(f.t, http.StatusOK, got.StatusCode, "body: %s", got.body)
	var page adminapi.List[adminapi.AuditEntry]
	got.decode(f.t, &page)
	return page.Items
}

func TestAuditTellsWhoDidWhatFromWhere(t *testing.T) {
	f := populated(t)
	last := f.audit("")[len(f.audit(""))-1].Sequence
	require.Equal(t, http.StatusOK, f.do("PATCH", "/users/bob", `{"disabled":true}`, fromAddress("192.0.2.7")).StatusCode)
	since := f.audit(fmt.Sprintf("?after=%d", last))
	require.Len(t, since, 1)
	e := since[0]
	assert.Equal(t, audit.Update, e.Action)
	assert.Equal(t, audit.Name("user:root"), e.Actor)
	assert.Equal(t, "192.0.2.7", e.Address)
	assert.Equal(t, audit.Name("user:bob"), e.Subject)
	assert.JSONEq(t, `{"admin":false,"disabled":false,"password":"set"}`, string(e.Before))
	assert.JSONEq(t, `{"admin":false,"disabled":true,"password":"set"}`, string(e.After))
	assert.WithinDuration(t, time.Now(), e.At, time.Minute)
}

func TestAuditVerifiesAfterTheWayOverHTTP(t *testing.T) {
	f := populated(t)
	var chain audit.Chain
	path := "/audit?limit=3"
	for pages := 0; path != ""; pages++ {
		require.Less(t, pages, 20)
		var page adminapi.List[adminapi.AuditEntry]
		f.do("GET", path, "").decode(t, &page)
		for _, e := range page.Items {
			require.NoError(t, chain.Next(e.Entry))
		}
		path = ""
		if page.NextCursor != "" {
			path = "/audit?limit=3&cursor=" + page.NextCursor
		}
	}
	var head adminapi.AuditHead
	f.do("GET", "/audit/head", "").decode(t, &head)
	require.NoError(t, chain.End(head.Head))
	assert.Greater(t, head.Sequence, int64(5))
}

func TestRefusedLoginsAreInTheAudit(t *testing.T) {
	f := populated(t)
	const typed = "My Secret Passw0rd"
	for username, password := range map[string]string{"Root": "wrong password", "nobody": "x", typed: "", "off": goodPassword} {
		require.Equal(t, http.StatusUnauthorized, f.do("GET", "/users", "", fromAddress("203.0.113.9"), func(r *http.Request) { r.SetBasicAuth(username, password) }).StatusCode)
	}
	require.Equal(t, http.StatusForbidden, f.do("GET", "/users", "", func(r *http.Request) { r.SetBasicAuth("alice", goodPassword) }).StatusCode)
	require.Equal(t, http.StatusUnauthorized, f.do("GET", "/users", "", func(r *http.Request) { r.Header.Del("Authorization") }).StatusCode)

	subjects := []audit.Name{}
	for _, e := range f.audit("?action=login-failed") {
		assert.Empty(t, e.Actor)
		assert.Equal(t, "203.0.113.9", e.Address)
		if !slices.Contains(subjects, e.Subject) { // the first of its kind, and the others later
			subjects = append(subjects, e.Subject)
		}
	}
	assert.ElementsMatch(t, []audit.Name{"user:root", "", "user:off"}, subjects)
	denied := f.audit("?action=login-denied")
	require.Len(t, denied, 1)
	assert.Equal(t, audit.Name("user:alice"), denied[0].Actor)
	assert.NotContains(t, string(f.do("GET", "/audit", "").body), "Passw0rd")
}

// TestPasswordsInTheNameAreNotInTheAudit has people type what is secret into the
// wrong field, also what looks like a name in one case or another.
func TestPasswordsInTheNameAreNotInTheAudit(t *testing.T) {
	f := populated(t)
	secrets := []string{"correct-horse-battery", "K7QXVN2ZPD4ARM3WYT5EFH6CJU", opaque.New(opaque.Access).Reveal(), opaque.New(opaque.Refresh).Reveal()}
	for _, secret := range secrets {
		for _, password := range []string{"", "root", secret} {
			require.Equal(t, http.StatusUnauthorized, f.do("GET", "/users", "", func(r *http.Request) { r.SetBasicAuth(secret, password) }).StatusCode)
		}
	}
	revoked := opaque.New(opaque.Access).Reveal()
	require.Equal(t, http.StatusUnauthorized, f.do("GET", "/users", "", func(r *http.Request) { r.SetBasicAuth("former", revoked) }).StatusCode)
	written := strings.ToLower(string(f.do("GET", "/audit", "").body))
	for _, secret := range append(secrets, revoked) {
		assert.NotContains(t, written, strings.ToLower(secret))
	}
	assert.Contains(t, written, "user:former")
}

func TestAuditIsFiltered(t *testing.T) {
	f := populated(t)
	for _, e := range f.audit("?subject=group:dev") {
		assert.Equal(t, audit.Name("group:dev"), e.Subject)
	}
	assert.NotEmpty(t, f.audit("?subject=group:dev&actor=user:root&action=add-member"))
	assert.Empty(t, f.audit("?until=2020-01-01T00:00:00Z"))
	assert.NotEmpty(t, f.audit("?since=2020-01-01T00:00:00Z"))
	oldest := f.audit("")
	slices.Reverse(oldest)
	assert.Equal(t, oldest, f.audit("?newest_first=true"))
	var page adminapi.List[adminapi.AuditEntry]
	path := "/audit?newest_first=true&limit=3"
	for at := 0; at < len(oldest); at += len(page.Items) {
		page = adminapi.List[adminapi.AuditEntry]{}
		f.do("GET", path, "").decode(t, &page)
		require.NotEmpty(t, page.Items)
		assert.Equal(t, oldest[at:at+len(page.Items)], page.Items, "nothing is left out between pages")
		path = "/audit?newest_first=true&limit=3&cursor=" + page.NextCursor
	}
	assert.Empty(t, page.NextCursor)
	for _, query := range []string{"?subject=bob", "?actor=Bob", "?since=yesterday", "?after=-1", "?cursor=" + url.QueryEscape("eA")} {
		assert.Equal(t, http.StatusUnprocessableEntity, f.do("GET", "/audit"+query, "").StatusCode, query)
	}
}

func TestKeyRotationIsInTheAudit(t *testing.T) {
	f := populated(t)
	require.Equal(t, http.StatusOK, f.do("POST", "/pki/rotate", `{}`).StatusCode)
	entries := f.audit("?action=rotate-keys")
	require.Len(t, entries, 1)
	assert.Equal(t, audit.Name("user:root"), entries[0].Actor)
	assert.Contains(t, string(entries[0].After), `"keys":["`)
}
