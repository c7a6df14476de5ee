package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestNodesKeepTheLastAdmin takes the flag from every admin at once, on two
// nodes: what a change read must hold until it is committed.
func TestNodesKeepTheLastAdmin(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		config := db.config(t)
		nodes := []*Store{openConfig(t, config), openConfig(t, config)}
		const admins = 8
		for i := range admins {
			if _, err := nodes[0].CreateSubject(t.Context(), NewSubject{Ref: ref(t, fmt.Sprintf("user:a%d", i)), Admin: true}); err != nil {
				t.Fatal(err)
			}
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
		if refused != 1 {
			t.Errorf("%d of %d were refused, want 1", refused, admins)
		}
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
		if err != nil || len(tokens) != 1 {
			t.Errorf("with the prefix e: %+v, %v", tokens, err)
		}
		for i, name := range names {
			token, err := s.AccessToken(t.Context(), fmt.Sprint(i))
			if err != nil || token.Name != name {
				t.Errorf("%q came back as %q: %v", name, token.Name, err)
			}
		}
	})
}
