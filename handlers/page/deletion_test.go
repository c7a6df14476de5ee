package page

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/registrytest"
	"github.com/dockit-registry/dockit/store"
)

func TestDeleteInTwoSteps(t *testing.T) {
	f, registry := withRegistry(t)
	digest := registry.Image("team/app", "1.0", "2026-01-01T00:00:00Z")
	registry.Tag("team/app", "latest", digest)
	f.grant("alice", "repository:team/app:pull,delete")
	f.grant("bob", "namespace:team:push")
	alice, bob := f.signedIn("alice"), f.signedIn("bob")
	assert.Contains(t, alice.get("repositories/image?name=team/app&tag=1.0").Body.String(), "Delete this image")
	page := alice.get("repositories/delete?name=team/app&tag=1.0").Body.String()
	assert.Contains(t, page, "<li><code>latest</code>")
	assert.Contains(t, page, "Delete 2 tags and the image")
	assert.Contains(t, page, "crane delete registry.example.com/team/app@"+digest)
	assert.Len(t, registry.Tags("team/app"), 2)

	fields := []string{"service", "registry.example.com", "name", "team/app", "tag", "1.0", "digest", digest}
	assert.Equal(t, http.StatusForbidden, bob.post("repositories/delete", fields...).Code)
	assert.Equal(t, http.StatusConflict, alice.post("repositories/delete", append(slices.Clone(fields[:7]), registrytest.Digest(nil))...).Code)
	assert.Equal(t, http.StatusUnprocessableEntity, alice.post("repositories/delete", append(slices.Clone(fields[:7]), "latest")...).Code)
	registry.DeletesOff = true
	answer := alice.post("repositories/delete", fields...)
	assert.Equal(t, http.StatusMethodNotAllowed, answer.Code)
	assert.Contains(t, answer.Body.String(), "REGISTRY_STORAGE_DELETE_ENABLED=true")
	assert.Len(t, registry.Tags("team/app"), 2)
	registry.DeletesOff = false

	answer = alice.post("repositories/delete", fields...)
	require.Equal(t, http.StatusSeeOther, answer.Code)
	page = alice.do(http.MethodGet, answer.Header().Get("Location"), nil).Body.String()
	assert.Contains(t, page, "The image is deleted, with all of its tags.")
	assert.Contains(t, page, "It has no tags.")
	assert.Empty(t, registry.Tags("team/app"))
}

// TestDeletionIsInTheAudit guards that it is known who deleted what, also of who goes away before the answer, and that what was
// refused is no entry.
func TestDeletionIsInTheAudit(t *testing.T) {
	f, registry := withRegistry(t)
	digest := registry.Image("team/app", "1.0", "2026-01-01T00:00:00Z")
	other := registry.Image("team/app", "2.0", "2026-01-02T00:00:00Z")
	f.grant("alice", "repository:team/app:pull,delete")
	f.grant("bob", "namespace:team:push")
	alice, bob := f.signedIn("alice"), f.signedIn("bob")
	fields := func(tag, digest string) []string {
		return []string{"service", "registry.example.com", "name", "team/app", "tag", tag, "digest", digest}
	}
	assert.Equal(t, http.StatusForbidden, bob.post("repositories/delete", fields("1.0", digest)...).Code)
	assert.Equal(t, http.StatusConflict, alice.post("repositories/delete", fields("1.0", other)...).Code)
	require.Equal(t, http.StatusSeeOther, alice.post("repositories/delete", fields("1.0", digest)...).Code)
	alice.change = func(r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		registry.OnDelete = cancel
		*r = *r.WithContext(ctx)
	}
	alice.post("repositories/delete", fields("2.0", other)...)
	assert.Empty(t, registry.Tags("team/app"))

	entries, err := f.store.AuditEntries(t.Context(), store.AuditQuery{Action: audit.DeleteImage, Limit: 10})
	require.NoError(t, err)
	require.Len(t, entries, 2)
	for i, image := range []string{
		`{"service":"registry.example.com","repository":"team/app","tag":"1.0","digest":"` + digest + `"}`,
		`{"service":"registry.example.com","repository":"team/app","tag":"2.0","digest":"` + other + `"}`,
	} {
		assert.Equal(t, "user:alice 192.0.2.7", string(entries[i].Actor)+" "+entries[i].Address)
		assert.JSONEq(t, image, string(entries[i].Before))
		assert.Empty(t, entries[i].After)
		assert.Empty(t, entries[i].Subject)
	}
	page := unescaped(f.signedIn("root").get("audit?action=delete-image").Body.String())
	assert.Contains(t, page, "repository: was team/app, service: was registry.example.com, tag: was 2.0")
}
