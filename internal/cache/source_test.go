package cache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

var errDown = errors.New("connection refused")

// source is a database with subjects whose only right is as old as they were
// changed last, seen through one node.
type source struct {
	mu      sync.Mutex
	watcher func(store.Change)
	ids     map[string]int64
	changes []store.Change
	// nameless is set while changes are not told apart.
	nameless bool
	// acknowledged is the latest revision that a change here made.
	acknowledged int64
	marks        store.Marks
	changed      map[string]int64 // when each subject changed, as a revision
	reads        map[string]int
	down         error
	hang         bool
}

func newSource(names ...string) *source {
	s := &source{ids: map[string]int64{}, changed: map[string]int64{}, reads: map[string]int{}, marks: store.Marks{Revision: 1}}
	for _, name := range names {
		s.changed[name] = 1
	}
	return s
}

// id is that of a subject, with the lock held.
func (s *source) id(name string) int64 {
	if s.ids[name] == 0 {
		s.ids[name] = int64(10 + len(s.ids))
	}
	return s.ids[name]
}

// elsewhere changes a subject on another node, or removes it.
func (s *source) elsewhere(name string, remove bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks.Revision++
	s.changes = append(s.changes, store.Change{Revision: s.marks.Revision, SubjectID: s.id(name)})
	if s.changed[name] = s.marks.Revision; remove {
		delete(s.changed, name)
	}
}

// here changes a subject on this node, or removes it.
func (s *source) here(name string, remove bool) {
	s.elsewhere(name, remove)
	s.mu.Lock()
	made := s.changes[len(s.changes)-1]
	s.mu.Unlock()
	s.watcher(made)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acknowledged = max(s.acknowledged, s.changed[name])
}

func (s *source) set(down error, hang bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.hang = down, hang
}

func (s *source) read(ctx context.Context, what string) error {
	s.mu.Lock()
	s.reads[what]++
	down, hang := s.down, s.hang
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return down
}

// took counts the reads of a kind while do runs.
func (s *source) took(what string, do func()) int {
	s.mu.Lock()
	before := maps.Clone(s.reads)
	s.mu.Unlock()
	do()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads[what] - before[what]
}

func (s *source) Watch(f func(store.Change)) { s.watcher = f }

func (s *source) Changes(ctx context.Context, after, upTo store.Marks) ([]store.Change, error) {
	if err := s.read(ctx, "changes"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nameless {
		return []store.Change{{Revision: upTo.Revision, SubjectID: store.Everybody}}, nil
	}
	var changes []store.Change
	for _, c := range s.changes {
		if c.Revision > after.Revision && c.Revision <= upTo.Revision {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

func (s *source) Marks(ctx context.Context) (store.Marks, error) {
	if err := s.read(ctx, "marks"); err != nil {
		return store.Marks{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.marks, nil
}

// hashAsOf is the password hash of a subject that changed last in a revision.
func hashAsOf(revision int64) string { return strconv.FormatInt(revision, 10) }

// asOf is in which revision a subject changed last when its login was read.
func asOf(login store.Login) int64 {
	revision, err := strconv.ParseInt(login.PasswordHash, 10, 64)
	if err != nil {
		return -1
	}
	return revision
}

func (s *source) Login(ctx context.Context, name string) (store.Login, error) {
	if err := s.read(ctx, "login"); err != nil {
		return store.Login{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed[name] == 0 {
		return store.Login{}, fmt.Errorf("%s: %w", name, store.ErrNotFound)
	}
	return store.Login{ID: s.id(name), Ref: subject.Ref{Kind: subject.User, Name: name}, PasswordHash: hashAsOf(s.changed[name])}, nil
}

func (s *source) AccessTokenLogin(ctx context.Context, id string) (store.AccessTokenLogin, error) {
	if err := s.read(ctx, "access token"); err != nil {
		return store.AccessTokenLogin{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed[id] == 0 {
		return store.AccessTokenLogin{}, fmt.Errorf("%s: %w", id, store.ErrNotFound)
	}
	return store.AccessTokenLogin{Login: store.Login{ID: s.id(id), PasswordHash: hashAsOf(s.changed[id])}}, nil
}

func (s *source) RefreshTokenLogin(context.Context, string) (store.RefreshTokenLogin, error) {
	return store.RefreshTokenLogin{}, store.ErrNotFound
}

func (s *source) EffectivePermissionsByID(ctx context.Context, _ int64, _ subject.Ref) ([]store.Effective, error) {
	return s.AnonymousPermissions(ctx)
}

func (s *source) AnonymousPermissions(ctx context.Context) ([]store.Effective, error) {
	if err := s.read(ctx, "permissions"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return []store.Effective{{Permission: access.Permission{Type: access.Repository, Name: fmt.Sprint("at/", s.marks.Revision), Actions: access.Pull}}}, nil
}

// opened lists the repositories that rights open: of which revisions they are.
func opened(rights *access.Rights) string {
	var all []string
	for revision := range 100 {
		if name := fmt.Sprint("at/", revision); rights.Allowed(access.Repository, name) == access.Pull {
			all = append(all, name)
		}
	}
	return strings.Join(all, ",")
}

// federation is the subject of changes of issuers and bindings.
const federation = "(federation)"

// Federation has one issuer, whose version is when it changed last.
func (s *source) Federation(ctx context.Context) (store.Federation, error) {
	if err := s.read(ctx, federation); err != nil {
		return store.Federation{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return store.Federation{Issuers: []store.Issuer{{Version: s.changed[federation]}}}, nil
}

// fixture is a Cache in a bubble whose clock moves when everything waits.
type fixture struct {
	*testing.T
	*Cache
	source *source
}

func bubble(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSource("alice", "bob")
		d := New(s, zaptest.NewLogger(t))
		d.Start()
		t.Cleanup(d.Close)
		test(t, &fixture{t, d, s})
	})
}

// token asks for an access token and returns the revision that its answer is
// from.
func (f *fixture) token(name string) (int64, error) {
	f.Helper()
	login, err := f.AccessToken(f.Context(), name)
	return asOf(login.Login), err
}

// gets fails the test unless a token is known as of a revision.
func (f *fixture) gets(name string, revision int64) {
	f.Helper()
	got, err := f.token(name)
	require.NoError(f, err, name)
	assert.Equal(f, revision, got, name)
}

// misses fails the test unless a token cannot be known.
func (f *fixture) misses(name string) {
	f.Helper()
	got, err := f.token(name)
	assert.ErrorIs(f, err, ErrUnavailable, "%s is of revision %d", name, got)
}

// wait lets time pass.
func (f *fixture) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
