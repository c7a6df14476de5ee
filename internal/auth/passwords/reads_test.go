package passwords

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// TestPasswordReadsTheLoginOnce counts how often a row is read: for an unknown name
// as often as for any other, or the time would show which are.
func TestPasswordReadsTheLoginOnce(t *testing.T) {
	robot := store.NewSubject{Ref: subject.Ref{Kind: subject.Robot, Name: "ci"}}
	here := func(t *testing.T, f *fixture) {
		_, err := f.store.CreateSubject(t.Context(), robot)
		require.NoError(t, err)
	}
	elsewhere := func(t *testing.T, f *fixture) {
		_, err := f.node().store.CreateSubject(t.Context(), robot)
		require.NoError(t, err)
		time.Sleep(time.Second) // a change elsewhere counts within two
	}
	for _, change := range []struct {
		name string
		// waiting happens before the attempt has its turn, checking while the
		// password is checked.
		waiting, checking func(*testing.T, *fixture)
		// reads are those of a wrong password, right those of a right one.
		reads, right int64
	}{
		{"no change", nil, nil, 1, 1},
		{"a change before the check", here, nil, 2, 2},
		{"a change elsewhere before the check", elsewhere, nil, 2, 2},
		{"a change during the check", nil, here, 1, 2},
		{"a change elsewhere during the check", nil, elsewhere, 1, 2},
	} {
		for _, tc := range []struct {
			name, username, pw string
			reads              int64
		}{
			{"a wrong password", "alice", "wrong", change.reads},
			{"a name that nobody has", "nobody", "wrong", change.reads},
			{"a disabled user", "bob", secret, change.reads},
			{"a right password", "alice", secret, change.right},
			{"no name at all", "my password!", "wrong", 0},
		} {
			t.Run(change.name+"/"+tc.name, func(t *testing.T) {
				bubble(t, func(t *testing.T, f *fixture) {
					yes := true
					f.Change("bob", store.SubjectChange{Disabled: &yes})
					f.guessed("alice", "198.51.100.7") // what is read once for all
					b := bucket{tc.username, "192.0.2.1/32"}
					if tc.username == "nobody" || tc.username == "my password!" {
						b.name = countedName(store.Login{}, tc.username)
					}
					leave, err := f.guard.lockBucket(t.Context(), b)
					require.NoError(t, err)
					if change.checking != nil {
						f.DuringCheck = sync.OnceFunc(func() { change.checking(t, f) })
					}
					before := f.Reads.Load()
					done := make(chan struct{})
					go func() {
						defer close(done)
						_, _ = f.try(tc.username, tc.pw, home)
					}()
					synctest.Wait()
					if change.waiting != nil {
						change.waiting(t, f)
					}
					leave()
					<-done
					assert.Equal(t, tc.reads, f.Reads.Load()-before)
				})
			})
		}
	}
}
