package firstadmin

import (
	"bytes"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

const testPassword = "correct-horse-battery"

// startOf is what a start of a node left behind.
type startOf struct {
	err error
	// first is the admin that a first start made.
	first          string
	stdout, logged string
}

// node is one that starts, with the database that it uses.
type node struct {
	store *store.Store
	auth  *auth.Authenticator
}

// openNode opens a database as the start of a node does.
func openNode(t testing.TB, path string) node {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Dialect: "sqlite", DSN: path}, zap.NewNop())
	require.NoError(t, err)
	known := cache.New(s, zap.NewNop())
	known.Start()
	n := node{s, auth.New(s, known, zap.NewNop())}
	t.Cleanup(func() {
		n.auth.Close()
		known.Close()
		_ = s.Close()
	})
	return n
}

func newNode(t testing.TB) node {
	t.Helper()
	return openNode(t, filepath.Join(t.TempDir(), "dockit.sqlite"))
}

// start makes sure of an admin as the start of the node would.
func start(t testing.TB, d node, root User) startOf {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	var stdout bytes.Buffer
	first, err := Ensure(t.Context(), d.store, root, &stdout, zap.New(core))
	var logged strings.Builder
	for _, entry := range logs.All() {
		logged.WriteString(entry.Level.String() + " " + entry.Message)
		for _, field := range entry.Context {
			if stringer, ok := field.Interface.(interface{ String() string }); ok {
				logged.WriteString(" " + stringer.String())
			}
		}
		logged.WriteString("\n")
	}
	return startOf{err, first, stdout.String(), logged.String()}
}

var printedPassword = regexp.MustCompile(`(?m)^    (\S+)$`)

func printed(t testing.TB, s startOf) string {
	t.Helper()
	match := printedPassword.FindStringSubmatch(s.stdout)
	require.NoError(t, s.err, "no password in %q", s.stdout)
	require.NotNil(t, match, "no password in %q", s.stdout)
	assert.NotContains(t, s.logged, match[1], "the password is in the log")
	return match[1]
}

func login(t testing.TB, d node, name, pw string) (auth.Principal, error) {
	t.Helper()
	return d.auth.Authenticate(t.Context(), name, pw)
}

func mayPushEverything(t testing.TB, d node, name string) bool {
	t.Helper()
	permissions, err := d.store.Permissions(t.Context(), subject.Ref{Kind: subject.User, Name: name}, store.Page{Limit: 10})
	require.NoError(t, err)
	var texts []string
	for _, p := range permissions {
		texts = append(texts, p.String())
	}
	all := strings.Join(texts, " ")
	return strings.Contains(all, "registry:catalog:*") && strings.Contains(all, "repository:**:*")
}

func TestFirstStart(t *testing.T) {
	d := newNode(t)
	first := start(t, d, User{})
	assert.Equal(t, "admin", first.first)
	pw := printed(t, first)
	assert.GreaterOrEqual(t, len(pw), 20, "password of %d characters", len(pw))
	p, err := login(t, d, "admin", pw)
	require.NoError(t, err)
	require.True(t, p.Admin, "%+v", p)
	assert.True(t, mayPushEverything(t, d, "admin"), "the first admin may not push")
	assert.Equal(t, startOf{}, start(t, d, User{}), "the second start said")
}

func TestRootUser(t *testing.T) {
	d := newNode(t)
	s := start(t, d, User{Name: "root", Password: testPassword})
	require.NoError(t, s.err, "%+v", s)
	require.Empty(t, s.stdout, "%+v", s)
	assert.Equal(t, "root", s.first)
	p, err := login(t, d, "root", testPassword)
	require.NoError(t, err)
	require.True(t, p.Admin, "%+v", p)
	assert.True(t, mayPushEverything(t, d, "root"), "the first admin may not push")

	t.Run("same again", func(t *testing.T) {
		assert.Equal(t, startOf{}, start(t, d, User{Name: "root", Password: testPassword}))
	})
	t.Run("another root user, random password", func(t *testing.T) {
		another := start(t, d, User{Name: "second"})
		assert.Empty(t, another.first, "this is no first start")
		pw := printed(t, another)
		p, err := login(t, d, "second", pw)
		require.NoError(t, err)
		require.True(t, p.Admin, "%+v", p)
		assert.False(t, mayPushEverything(t, d, "second"), "only the first admin gets permissions")
	})
	t.Run("existing, without a configured password", func(t *testing.T) {
		assert.Equal(t, startOf{}, start(t, d, User{Name: "second"}))
	})
	t.Run("other password", func(t *testing.T) {
		s := start(t, d, User{Name: "root", Password: "another-horse-battery"})
		require.NoError(t, s.err, "%+v", s)
		assert.Equal(t, 1, strings.Count(s.logged, "warn"), "%+v", s)
		assert.NotContains(t, s.logged, "another-horse", "%+v", s)
		_, err := login(t, d, "root", testPassword)
		assert.NoError(t, err, "the password was reset")
	})
	t.Run("disabled and no admin", func(t *testing.T) {
		yes, no := true, false
		ref := subject.Ref{Kind: subject.User, Name: "root"}
		_, err := d.store.UpdateSubject(t.Context(), ref, store.SubjectChange{Admin: &no, Disabled: &yes}, 0)
		require.NoError(t, err)
		s := start(t, d, User{Name: "root", Password: testPassword})
		require.NoError(t, s.err, "%+v", s)
		assert.Equal(t, 1, strings.Count(s.logged, "warn"), "%+v", s)
		found, err := d.store.Subject(t.Context(), ref)
		require.NoError(t, err)
		assert.False(t, found.Admin, "%+v", found)
		assert.True(t, found.Disabled, "%+v", found)
	})
	t.Run("name of a robot", func(t *testing.T) {
		_, err := d.store.CreateSubject(t.Context(), store.NewSubject{Ref: subject.Ref{Kind: subject.Robot, Name: "ci"}})
		require.NoError(t, err)
		s := start(t, d, User{Name: "ci"})
		assert.ErrorContains(t, s.err, `"ci"`, "%+v", s)
	})
}

// TestFirstStartOfSeveralNodes starts nodes at once on one empty database: one
// admin, and one password.
func TestFirstStartOfSeveralNodes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dockit.sqlite")
	const nodes = 4
	starts := make([]startOf, nodes)
	opened := make([]node, nodes)
	for i := range opened {
		opened[i] = openNode(t, path)
	}
	var wg sync.WaitGroup
	for i := range starts {
		wg.Go(func() { starts[i] = start(t, opened[i], User{}) })
	}
	wg.Wait()
	passwords := 0
	for _, s := range starts {
		require.NoError(t, s.err)
		if printedPassword.MatchString(s.stdout) {
			passwords++
		}
	}
	assert.Equal(t, 1, passwords, "passwords were printed")
}

// TestFirstStartWithoutOutput has nowhere to print the password: an admin whose
// password nobody saw would keep every later start from making another.
func TestFirstStartWithoutOutput(t *testing.T) {
	d := newNode(t)
	_, err := Ensure(t.Context(), d.store, User{}, failingWriter{}, zap.NewNop())
	require.Error(t, err, "started without telling the password")
	has, err := d.store.HasAdmin(t.Context())
	assert.False(t, has, "an admin whose password nobody knows: %v", has)
	assert.NoError(t, err, "an admin whose password nobody knows: %v", has)
}

// failingWriter is standard output on a full disk.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestStartNeedsTheDatabase(t *testing.T) {
	d := newNode(t)
	_ = d.store.Close()
	assert.Error(t, start(t, d, User{}).err, "started without a database")
}

func TestUserCheck(t *testing.T) {
	require.ErrorIs(t, (User{Name: "root", Password: "short"}).Check(), password.ErrLength)
	spaced := User{Name: "root", Password: "correct horse battery "}
	require.NoError(t, spaced.Check(), "an existing user may have this password")
	d := newNode(t)
	require.ErrorIs(t, start(t, d, spaced).err, password.ErrSpace, "created with white space that docker login takes away")
	assert.ErrorIs(t, (User{Name: "no:colon"}).Check(), subject.ErrInvalidName)
}
