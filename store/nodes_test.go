package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNodesKeepTheLastAdmin takes the flag from every admin at once, on two
// nodes: what a change read must hold until it is committed.
func TestNodesKeepTheLastAdmin(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		config := db.config(t)
		nodes := []*Store{openConfig(t, config), openConfig(t, config)}
		const admins = 8
		for i := range admins {
			_, err := nodes[0].CreateSubject(t.Context(), NewSubject{Ref: ref(t, fmt.Sprintf("user:a%d", i)), Admin: true})
			require.NoError(t, err)
		}
		var wg sync.WaitGroup
		errs := make([]error, admins)
		no := false
		for i := range admins {
			wg.Go(func() {
				_, errs[i] = nodes[i%2].UpdateSubject(t.Context(), ref(t, fmt.Sprintf("user:a%d", i)), SubjectChange{Admin: &no}, 0)
			})
		}
		wg.Wait()
		refused := 0
		for _, err := range errs {
			switch {
			case errors.Is(err, ErrLastAdmin):
				refused++
			case err != nil:
				t.Error(err)
			}
		}
		assert.Equal(t, 1, refused, "%d of %d were refused", refused, admins)
		auditOf(t, nodes[1])
	})
}

func TestNamesStayApart(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "robot:ci")
		names := []string{"alice", "Alice", "e", "é", "ss", "ß", "z😀"}
		for i, name := range names {
			accessToken(t, s, "robot:ci", fmt.Sprint(i), name, time.Time{})
		}
		tokens, err := s.AccessTokens(t.Context(), ref(t, "robot:ci"), Page{Limit: 100, Prefix: "e"})
		require.NoError(t, err, "with the prefix e")
		assert.Len(t, tokens, 1, "with the prefix e")
		for i, name := range names {
			token, err := s.AccessToken(t.Context(), fmt.Sprint(i))
			require.NoError(t, err)
			assert.Equal(t, name, token.Name)
		}
	})
}
