package registryview

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestManyViewersAtOnce guards that viewers share what is remembered without seeing
// each other's, and that a registry is not asked for more at a time than it may.
func TestManyViewersAtOnce(t *testing.T) {
	registry, r := shown(t)
	for i := range 5 {
		for tag := range 5 {
			registry.Image(fmt.Sprintf("team-%d/app", i), fmt.Sprint(tag), "2026-01-01T00:00:00Z")
		}
	}
	var done sync.WaitGroup
	for i := range 20 {
		done.Go(func() {
			own := fmt.Sprintf("team-%d/app", i%5)
			v := viewer(t, fmt.Sprintf("user-%d", i), "repository:"+own+":*")
			assert.Equal(t, []string{own}, r.Repositories(t.Context(), v, Query{}).Names)
			tags, err := r.Tags(t.Context(), v, own, Query{})
			assert.NoError(t, err) //nolint:testifylint // not the goroutine of the test
			assert.Len(t, tags.Tags, 5)
			_, err = r.Image(t.Context(), v, own, "1")
			assert.NoError(t, err) //nolint:testifylint // not the goroutine of the test
			_, err = r.PlanDeletion(t.Context(), v, own, "1")
			assert.NoError(t, err) //nolint:testifylint // not the goroutine of the test
			_, err = r.Tags(t.Context(), v, fmt.Sprintf("team-%d/app", (i+1)%5), Query{})
			assert.ErrorIs(t, err, ErrNotAllowed)
		})
	}
	done.Wait()
	for _, made := range registry.Requests() {
		for _, opens := range made.Access {
			assert.NotContains(t, opens.Actions, "push")
			assert.NotContains(t, opens.Actions, "delete")
		}
	}
	r.Close()
	assert.Nil(t, r.catalog.walked, "nothing goes on after the end")
}
