package registryview

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/registryclient"
	"github.com/dockit-registry/dockit/internal/registrytest"
)

func TestDelete(t *testing.T) {
	registry, r := shown(t)
	digest := registry.Image("team/app", "1.0", "2026-01-01T00:00:00Z")
	registry.Tag("team/app", "latest", digest)
	registry.Tag("team/app", "1", digest)
	registry.Image("team/app", "0.9", "2025-01-01T00:00:00Z")
	alice := viewer(t, "alice", "repository:team/app:pull,delete")
	_, err := r.Tags(t.Context(), alice, "team/app", Query{})
	require.NoError(t, err)

	plan, err := r.PlanDeletion(t.Context(), alice, "team/app", "1.0")
	require.NoError(t, err)
	assert.Equal(t, Deletion{Tag: "1.0", Digest: registryclient.Digest(digest), Tags: []string{"latest", "1.0", "1"}, Looked: 4, Total: 4}, plan)
	assert.Len(t, registry.Tags("team/app"), 4, "nothing is deleted yet")

	// It moves while somebody looks.
	moved := registry.Image("team/app", "1.0", "2026-02-01T00:00:00Z")
	require.ErrorIs(t, r.Delete(t.Context(), alice, "team/app", "1.0", plan.Digest), ErrMoved)
	assert.Len(t, registry.Tags("team/app"), 4)

	registry.DeletesOff = true
	err = r.Delete(t.Context(), alice, "team/app", "1.0", registryclient.Digest(moved))
	require.ErrorIs(t, err, ErrDeletesOff)
	require.ErrorContains(t, err, "REGISTRY_STORAGE_DELETE_ENABLED=true")
	registry.DeletesOff = false

	registry.Requests()
	require.NoError(t, r.Delete(t.Context(), alice, "team/app", "latest", registryclient.Digest(digest)))
	assert.Equal(t, []string{"0.9", "1.0"}, registry.Tags("team/app"))
	deletes := 0
	for _, made := range registry.Requests() {
		if made.Method == http.MethodDelete {
			deletes++
			assert.Equal(t, []registrytest.Access{{Type: "repository", Name: "team/app", Actions: []string{"delete"}}}, made.Access)
			assert.Equal(t, "alice", made.Subject)
		}
	}
	assert.Equal(t, 1, deletes)
	tags, err := r.Tags(t.Context(), alice, "team/app", Query{})
	require.NoError(t, err)
	assert.Equal(t, []string{"1.0", "0.9"}, namesOf(tags.Tags), "what is gone is not shown any more")

	require.ErrorIs(t, r.Delete(t.Context(), alice, "team/app", "latest", registryclient.Digest(digest)), registryclient.ErrNotFound)
	for _, wrong := range []string{"", "sha256:x", "latest"} {
		require.ErrorIs(t, r.Delete(t.Context(), alice, "team/app", "1.0", registryclient.Digest(wrong)), ErrInvalidReference)
	}
	require.ErrorIs(t, r.Delete(t.Context(), viewer(t, "bob", "namespace:team:push"), "team/app", "1.0", registryclient.Digest(moved)), ErrNotAllowed)
}

// TestDeletionOfManyTags guards that what was not looked at is said.
func TestDeletionOfManyTags(t *testing.T) {
	registry, r := shown(t)
	digest := registry.Image("a", "old", "2026-01-01T00:00:00Z")
	for i := range maxShared {
		registry.Tag("a", fmt.Sprintf("1.%d", i), digest)
	}
	plan, err := r.PlanDeletion(t.Context(), viewer(t, "alice", "repository:a:*"), "a", "old")
	require.NoError(t, err)
	assert.Equal(t, maxShared+1, plan.Total)
	assert.LessOrEqual(t, plan.Looked, maxShared)
	assert.Equal(t, "old", plan.Tags[0])
}
