package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/subject"
)

// warm has a search answered from memory.
func warm(t testing.TB, s *Store) {
	t.Helper()
	known, err := s.readNames(t.Context())
	require.NoError(t, err)
	s.index.set(known)
	s.index.notBefore = time.Now().Add(time.Hour) // so that what is lost stays so
}

// TestSearchInMemoryFindsWhatTheDatabaseFinds changes subjects on two nodes at random,
// and compares searches by the names in memory with those by the database.
func TestSearchInMemoryFindsWhatTheDatabaseFinds(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		config := db.config(t)
		s, other := openConfig(t, config), openConfig(t, config)
		random := rand.New(rand.NewPCG(1, 2))
		group := ref(t, "group:all")
		create(t, s, "group:all")
		warm(t, s)
		var there []subject.Ref
		for i := range 150 {
			node := []*Store{s, other}[random.IntN(2)]
			randomChange(t, random, node, &there)
			p := randomPage(random)
			what := fmt.Sprintf("change %d, %+v", i, p)
			for _, kind := range subject.Kinds {
				want, err := s.listSubjects(t.Context(), kind, p)
				require.NoError(t, err, what)
				found, known, err := s.searchSubjects(t.Context(), kind, p)
				require.NoError(t, err, what)
				require.True(t, known, what)
				require.Equal(t, want, found, "%ss: %s", kind, what)
				wantCount, err := s.countSubjects(t.Context(), kind, p)
				require.NoError(t, err, what)
				count, known, err := s.countFound(t.Context(), kind, p)
				require.NoError(t, err, what)
				require.True(t, known, what)
				require.Equal(t, wantCount, count, "%ss: %s", kind, what)
				wantCount, err = s.countSubjects(t.Context(), kind, Page{})
				require.NoError(t, err, what)
				count, known, err = s.countFound(t.Context(), kind, Page{Limit: 1, After: "a"})
				require.NoError(t, err, what)
				require.True(t, known, what)
				require.Equal(t, wantCount, count, "all %ss: %s", kind, what)
			}
			g, err := s.Subject(t.Context(), group)
			require.NoError(t, err)
			want, err := s.listMembers(t.Context(), g.ID, p)
			require.NoError(t, err, what)
			found, known, err := s.searchMembers(t.Context(), g.ID, p)
			require.NoError(t, err, what)
			require.True(t, known, what)
			require.Equal(t, want, found, "members: %s", what)
			wantCount, err := s.countMembers(t.Context(), g.ID, p)
			require.NoError(t, err, what)
			count, known, err := s.countFoundMembers(t.Context(), g.ID, p)
			require.NoError(t, err, what)
			require.True(t, known, what)
			require.Equal(t, wantCount, count, "members: %s", what)
		}
		assert.Greater(t, len(there), 20)
	})
}

// randomChange makes a subject, puts one into group:all, changes one, or removes a user
// or robot: by removing anything else it would be lost which names are gone.
func randomChange(t *testing.T, random *rand.Rand, s *Store, there *[]subject.Ref) {
	t.Helper()
	if len(*there) == 0 || random.IntN(2) == 0 {
		made := subject.Ref{Kind: subject.Kinds[random.IntN(3)], Name: randomName(random)}
		_, err := s.CreateSubject(t.Context(), NewSubject{Ref: made, Admin: made.Kind == subject.User && random.IntN(3) == 0, Disabled: random.IntN(3) == 0})
		if err == nil {
			*there = append(*there, made)
			return
		}
		require.ErrorIs(t, err, ErrExists)
		return
	}
	at := random.IntN(len(*there))
	one, off := (*there)[at], random.IntN(2) == 0
	switch {
	case one.Kind == subject.Group || random.IntN(3) == 0:
		_, err := s.UpdateSubject(t.Context(), one, SubjectChange{Disabled: &off}, 0)
		ignoreLastAdmin(t, err)
	case random.IntN(2) == 0:
		_, err := s.AddMember(t.Context(), ref(t, "group:all"), one)
		require.NoError(t, err)
	default:
		err := s.DeleteSubject(t.Context(), one, 0)
		if ignoreLastAdmin(t, err); err == nil {
			*there = append((*there)[:at], (*there)[at+1:]...)
		}
	}
}

func ignoreLastAdmin(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		require.ErrorIs(t, err, ErrLastAdmin)
	}
}

func randomName(random *rand.Rand) string {
	name := []byte{"ab1"[random.IntN(3)]}
	for range random.IntN(4) {
		name = append(name, "-._@"[random.IntN(4)], "ab1"[random.IntN(3)])
	}
	return string(name)
}

func randomPage(random *rand.Rand) Page {
	p := Page{Limit: 1 + random.IntN(20)}
	searches := []string{"a", "B", "-a", "1", "_", "%", "!", "a.b", ".1@", "zzz", "\x00", "a\x00b", "é", " ", "\n", randomName(random)}
	p.Search = searches[random.IntN(len(searches))]
	if random.IntN(3) == 0 {
		p.After = randomName(random)
	}
	if random.IntN(4) == 0 {
		p.Prefix = randomName(random)[:1]
	}
	yes, no := true, false
	either := []*bool{nil, nil, &yes, &no}
	p.Admin, p.Disabled = either[random.IntN(4)], either[random.IntN(4)]
	return p
}

// TestNamesInMemoryAreGivenUp guards that names of which it is not known what became of
// them are read anew, while the database is asked, and that they do not stay for ever.
func TestNamesInMemoryAreGivenUp(t *testing.T) {
	s := onSQLite.open(t)
	create(t, s, "user:alice", "group:dev")
	p := Page{Search: "dev", Limit: 10}
	find := func() []string {
		t.Helper()
		found, err := s.Subjects(t.Context(), subject.Group, p)
		require.NoError(t, err)
		return namesOf(found)
	}
	known := func() bool { return s.index.use() != nil }

	assert.False(t, known())
	assert.Equal(t, []string{"dev"}, find())
	s.index.done.Wait()
	assert.True(t, known(), "after a search")
	assert.Equal(t, []string{"dev"}, find())

	s.index.notBefore = time.Now().Add(time.Hour)
	require.NoError(t, s.DeleteSubject(t.Context(), ref(t, "group:dev"), 0))
	assert.Empty(t, find(), "a group was removed, which no change says")
	assert.False(t, known(), "not to be read all the time")
	s.index.notBefore = time.Time{}
	assert.Empty(t, find())
	s.index.done.Wait()
	assert.True(t, known())

	_, err := s.writer.ExecContext(t.Context(), "UPDATE revision SET nonce = 1")
	require.NoError(t, err)
	s.index.notBefore = time.Time{}
	assert.Empty(t, find(), "the database is another")
	s.index.done.Wait()
	assert.True(t, known())

	s.index.idle.Reset(0)
	assert.Eventually(t, func() bool {
		s.index.mu.Lock()
		defer s.index.mu.Unlock()
		return s.index.current == nil
	}, time.Minute, time.Millisecond, "nobody searches")

	many := knownNames{}
	for i := 0; ; i++ {
		require.Less(t, i, 1_000_000)
		if err := many.note(knownName{fmt.Sprintf("person%06d@example.com", i), int64(i)}); err != nil {
			require.ErrorIs(t, err, errManyNames)
			break
		}
	}
}

// TestSearchWaitsForNoSilentConnection has one search bring the names up to date on a connection that says nothing.
func TestSearchWaitsForNoSilentConnection(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := openConfig(t, db.config(t))
		create(t, s, "user:alice")
		warm(t, s)
		create(t, s, "user:alina") // what is known is not up to date
		s.index.turn <- struct{}{}
		assert.Nil(t, s.names(t.Context()), "names in memory")
		found, err := s.Subjects(t.Context(), subject.User, Page{Limit: 10, Search: "ali"})
		require.NoError(t, err)
		assert.Len(t, found, 2)
		<-s.index.turn
		assert.NotNil(t, s.names(t.Context()), "names in memory, once it is over")
	})
}
