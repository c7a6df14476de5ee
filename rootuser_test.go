package dockit

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
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// startOf is what a start of an app left behind.
type startOf struct {
	err            error
	stdout, logged string
}

// start makes sure of an admin in a database as the start of its node would.
func start(t testing.TB, d *database, root RootUser) startOf {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	var stdout bytes.Buffer
	app := &App{database: d, root: root, logger: zap.New(core), stdout: &stdout}
	err := app.ensureAdmin(t.Context())
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

func login(t testing.TB, d *database, name, pw string) (auth.Principal, error) {
	t.Helper()
	return d.auth.Authenticate(t.Context(), name, pw)
}

func mayPushEverything(t testing.TB, d *database, name string) bool {
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

func leaveAtEnd(t testing.TB, d *database) *database {
	t.Cleanup(func() { _ = d.leave() })
	return d
}

func TestFirstStart(t *testing.T) {
	d := leaveAtEnd(t, testDatabase(t))
	pw := printed(t, start(t, d, RootUser{}))
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
	if again := start(t, d, RootUser{}); again != (startOf{}) {
		t.Errorf("the second start said %+v", again)
	}
}

func TestRootUser(t *testing.T) {
	d := leaveAtEnd(t, testDatabase(t))
	if s := start(t, d, RootUser{Name: "root", Password: rootPassword}); s.err != nil || s.stdout != "" {
		t.Fatalf("%+v", s)
	}
	if p, err := login(t, d, "root", rootPassword); err != nil || !p.Admin {
		t.Fatalf("%+v, %v", p, err)
	}
	if !mayPushEverything(t, d, "root") {
		t.Error("the first admin may not push")
	}

	t.Run("same again", func(t *testing.T) {
		if s := start(t, d, RootUser{Name: "root", Password: rootPassword}); s != (startOf{}) {
			t.Errorf("%+v", s)
		}
	})
	t.Run("another root user, random password", func(t *testing.T) {
		pw := printed(t, start(t, d, RootUser{Name: "second"}))
		if p, err := login(t, d, "second", pw); err != nil || !p.Admin {
			t.Fatalf("%+v, %v", p, err)
		}
		if mayPushEverything(t, d, "second") {
			t.Error("only the first admin gets permissions")
		}
	})
	t.Run("existing, without a configured password", func(t *testing.T) {
		if s := start(t, d, RootUser{Name: "second"}); s != (startOf{}) {
			t.Errorf("%+v", s)
		}
	})
	t.Run("other password", func(t *testing.T) {
		s := start(t, d, RootUser{Name: "root", Password: "another-horse-battery"})
		if s.err != nil || strings.Count(s.logged, "warn") != 1 || strings.Contains(s.logged, "another-horse") {
			t.Errorf("%+v", s)
		}
		if _, err := login(t, d, "root", rootPassword); err != nil {
			t.Error("the password was reset")
		}
	})
	t.Run("disabled and no admin", func(t *testing.T) {
		yes, no := true, false
		ref := subject.Ref{Kind: subject.User, Name: "root"}
		if _, err := d.store.UpdateSubject(t.Context(), ref, store.SubjectChange{Admin: &no, Disabled: &yes}, 0); err != nil {
			t.Fatal(err)
		}
		s := start(t, d, RootUser{Name: "root", Password: rootPassword})
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
		if s := start(t, d, RootUser{Name: "ci"}); s.err == nil || !strings.Contains(s.err.Error(), `"ci"`) {
			t.Errorf("%+v", s)
		}
	})
}

// TestFirstStartOfSeveralNodes starts nodes at once on one empty database: one
// admin, and one password.
func TestFirstStartOfSeveralNodes(t *testing.T) {
	config := store.Config{Dialect: "sqlite", DSN: filepath.Join(t.TempDir(), "dockit.sqlite")}
	const nodes = 4
	starts := make([]startOf, nodes)
	opened := make([]*database, nodes)
	for i := range opened {
		d, err := openDatabase(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		opened[i] = d
		t.Cleanup(d.release)
	}
	var wg sync.WaitGroup
	for i := range starts {
		wg.Go(func() { starts[i] = start(t, opened[i], RootUser{}) })
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
	d := leaveAtEnd(t, testDatabase(t))
	app := &App{database: d, logger: zap.NewNop(), stdout: failingWriter{}}
	if err := app.ensureAdmin(t.Context()); err == nil {
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
	d := leaveAtEnd(t, testDatabase(t))
	_ = d.leave()
	if s := start(t, d, RootUser{}); s.err == nil {
		t.Error("started without a database")
	}
}

func TestRootUserCheck(t *testing.T) {
	if err := (RootUser{Name: "root", Password: "short"}).check(); !errors.Is(err, password.ErrLength) {
		t.Error(err)
	}
	spaced := RootUser{Name: "root", Password: "correct horse battery "}
	if err := spaced.check(); err != nil {
		t.Errorf("an existing user may have this password: %v", err)
	}
	d := leaveAtEnd(t, testDatabase(t))
	if s := start(t, d, spaced); !errors.Is(s.err, password.ErrSpace) {
		t.Errorf("created with white space that docker login takes away: %v", s.err)
	}
	if err := (RootUser{Name: "no:colon"}).check(); !errors.Is(err, subject.ErrInvalidName) {
		t.Error(err)
	}
}
