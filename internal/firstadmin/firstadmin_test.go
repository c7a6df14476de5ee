package firstadmin

import (
	"bytes"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

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
	err            error
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
	if err != nil {
		t.Fatal(err)
	}
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
	err := Ensure(t.Context(), d.store, root, &stdout, zap.New(core))
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
	return startOf{err, stdout.String(), logged.String()}
}

var printedPassword = regexp.MustCompile(`(?m)^    (\S+)$`)

func printed(t testing.TB, s startOf) string {
	t.Helper()
	match := printedPassword.FindStringSubmatch(s.stdout)
	if s.err != nil || match == nil {
		t.Fatalf("%v, no password in %q", s.err, s.stdout)
	}
	if strings.Contains(s.logged, match[1]) {
		t.Error("the password is in the log")
	}
	return match[1]
}

func login(t testing.TB, d node, name, pw string) (auth.Principal, error) {
	t.Helper()
	return d.auth.Authenticate(t.Context(), name, pw)
}

func mayPushEverything(t testing.TB, d node, name string) bool {
	t.Helper()
	permissions, err := d.store.Permissions(t.Context(), subject.Ref{Kind: subject.User, Name: name}, store.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, p := range permissions {
		texts = append(texts, p.String())
	}
	all := strings.Join(texts, " ")
	return strings.Contains(all, "registry:catalog:*") && strings.Contains(all, "repository:**:*")
}

func TestFirstStart(t *testing.T) {
	d := newNode(t)
	pw := printed(t, start(t, d, User{}))
	if len(pw) < 20 {
		t.Errorf("password of %d characters", len(pw))
	}
	p, err := login(t, d, "admin", pw)
	if err != nil || !p.Admin {
		t.Fatalf("%+v, %v", p, err)
	}
	if !mayPushEverything(t, d, "admin") {
		t.Error("the first admin may not push")
	}
	if again := start(t, d, User{}); again != (startOf{}) {
		t.Errorf("the second start said %+v", again)
	}
}

func TestRootUser(t *testing.T) {
	d := newNode(t)
	if s := start(t, d, User{Name: "root", Password: testPassword}); s.err != nil || s.stdout != "" {
		t.Fatalf("%+v", s)
	}
	if p, err := login(t, d, "root", testPassword); err != nil || !p.Admin {
		t.Fatalf("%+v, %v", p, err)
	}
	if !mayPushEverything(t, d, "root") {
		t.Error("the first admin may not push")
	}

	t.Run("same again", func(t *testing.T) {
		if s := start(t, d, User{Name: "root", Password: testPassword}); s != (startOf{}) {
			t.Errorf("%+v", s)
		}
	})
	t.Run("another root user, random password", func(t *testing.T) {
		pw := printed(t, start(t, d, User{Name: "second"}))
		if p, err := login(t, d, "second", pw); err != nil || !p.Admin {
			t.Fatalf("%+v, %v", p, err)
		}
		if mayPushEverything(t, d, "second") {
			t.Error("only the first admin gets permissions")
		}
	})
	t.Run("existing, without a configured password", func(t *testing.T) {
		if s := start(t, d, User{Name: "second"}); s != (startOf{}) {
			t.Errorf("%+v", s)
		}
	})
	t.Run("other password", func(t *testing.T) {
		s := start(t, d, User{Name: "root", Password: "another-horse-battery"})
		if s.err != nil || strings.Count(s.logged, "warn") != 1 || strings.Contains(s.logged, "another-horse") {
			t.Errorf("%+v", s)
		}
		if _, err := login(t, d, "root", testPassword); err != nil {
			t.Error("the password was reset")
		}
	})
	t.Run("disabled and no admin", func(t *testing.T) {
		yes, no := true, false
		ref := subject.Ref{Kind: subject.User, Name: "root"}
		if _, err := d.store.UpdateSubject(t.Context(), ref, store.SubjectChange{Admin: &no, Disabled: &yes}, 0); err != nil {
			t.Fatal(err)
		}
		s := start(t, d, User{Name: "root", Password: testPassword})
		if s.err != nil || strings.Count(s.logged, "warn") != 1 {
			t.Errorf("%+v", s)
		}
		if found, err := d.store.Subject(t.Context(), ref); err != nil || found.Admin || !found.Disabled {
			t.Errorf("%+v, %v", found, err)
		}
	})
	t.Run("name of a robot", func(t *testing.T) {
		if _, err := d.store.CreateSubject(t.Context(), store.NewSubject{Ref: subject.Ref{Kind: subject.Robot, Name: "ci"}}); err != nil {
			t.Fatal(err)
		}
		if s := start(t, d, User{Name: "ci"}); s.err == nil || !strings.Contains(s.err.Error(), `"ci"`) {
			t.Errorf("%+v", s)
		}
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
		if s.err != nil {
			t.Error(s.err)
		}
		if printedPassword.MatchString(s.stdout) {
			passwords++
		}
	}
	if passwords != 1 {
		t.Errorf("%d passwords were printed, want 1", passwords)
	}
}

// TestFirstStartWithoutOutput has nowhere to print the password: an admin whose
// password nobody saw would keep every later start from making another.
func TestFirstStartWithoutOutput(t *testing.T) {
	d := newNode(t)
	if err := Ensure(t.Context(), d.store, User{}, failingWriter{}, zap.NewNop()); err == nil {
		t.Error("started without telling the password")
	}
	if has, err := d.store.HasAdmin(t.Context()); has || err != nil {
		t.Errorf("an admin whose password nobody knows: %v, %v", has, err)
	}
}

// failingWriter is standard output on a full disk.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestStartNeedsTheDatabase(t *testing.T) {
	d := newNode(t)
	_ = d.store.Close()
	if s := start(t, d, User{}); s.err == nil {
		t.Error("started without a database")
	}
}

func TestUserCheck(t *testing.T) {
	if err := (User{Name: "root", Password: "short"}).Check(); !errors.Is(err, password.ErrLength) {
		t.Error(err)
	}
	spaced := User{Name: "root", Password: "correct horse battery "}
	if err := spaced.Check(); err != nil {
		t.Errorf("an existing user may have this password: %v", err)
	}
	d := newNode(t)
	if s := start(t, d, spaced); !errors.Is(s.err, password.ErrSpace) {
		t.Errorf("created with white space that docker login takes away: %v", s.err)
	}
	if err := (User{Name: "no:colon"}).Check(); !errors.Is(err, subject.ErrInvalidName) {
		t.Error(err)
	}
}
