package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/statetest"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/state"
)

// fillAll puts something into every table.
func fillAll(t *testing.T, s *Store) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		if _, err := s.ApplyState(t.Context(), statetest.Document(r), state.Options{Prune: true}); err != nil && !errors.Is(err, ErrLastAdmin) {
			t.Fatal(err)
		}
	}
	applyState(t, s, wholeState, state.Options{Prune: true})
	for i := range copyRows + 10 { // more than a batch
		create(t, s, fmt.Sprintf("robot:r%d", i))
		grant(t, s, fmt.Sprintf("robot:r%d", i), "namespace:n:pull")
	}
	zoe := person(t, s, "zoe", "$z")
	accessToken(t, s, "robot:ci", "A", "é\\'\"\x01 😀", time.Time{})
	accessToken(t, s, "robot:ci", "b", "b", time.Time{})
	refreshToken(t, s, "r", zoe, "$z")
	byToken := WithActor(t.Context(), Actor{Credential: Credential{ID: "limited"}})
	if _, err := s.CreateAccessToken(t.Context(), NewAccessToken{
		ID: "limited", Owner: ref(t, "user:zoe"), Name: "limited", Hash: []byte("h"), Networks: networks(t, "10.0.0.0/8"), ExpiresAt: s.now().Add(time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateSubject(byToken, NewSubject{Ref: ref(t, "user:guest"), PasswordHash: "$g"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateAccessToken(byToken, NewAccessToken{ID: "made", Owner: ref(t, "user:guest"), Hash: []byte("h")}); err != nil {
		t.Fatal(err)
	}
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	certificate := bytes.Repeat(every, 3000) // less than a packet, more than half a batch
	for i := range int64(3) {
		if err := s.ChangeKeys(t.Context(), i, []pki.Record{{ID: fmt.Sprint(i), Purpose: pki.Own, Certificate: certificate, PrivateKey: every, CreatedAt: s.now()}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.RecordFailures(t.Context(), FailureChange{New: []Failure{{"mallory", "192.0.2.1/32", s.now()}}}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	cut, err := s.EndOfAudit(t.Context(), audit.Checkpoint{}, s.now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	checkpoint := audit.Checkpoint{Number: 1, Sequence: cut.Sequence, Hash: cut.Hash, Until: cut.At, Removed: cut.Sequence}
	if err := s.CutAudit(t.Context(), checkpoint, signed(t, checkpoint)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // which leaves some
		if _, err := s.RemoveCutEntries(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	create(t, s, "user:late")
	if err := s.RecordUses(t.Context(), Uses{
		AccessTokens: map[string]Use{"A": {At: s.now(), Address: "192.0.2.7", Client: "docker"}},
		Networks:     map[LoginNetwork]time.Time{{zoe, "192.0.2.7/32"}: s.now()},
	}); err != nil {
		t.Fatal(err)
	}
}

func copyAll(t *testing.T, from, to *Store) {
	t.Helper()
	var last int64
	copied, err := CopyAll(t.Context(), from, to, func(rows int64) {
		if rows <= last {
			t.Errorf("%d rows after %d", rows, last)
		}
		last = rows
	})
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, c := range copied {
		if c.Rows == 0 {
			t.Errorf("the test fills no %s", c.Table)
		}
		total += c.Rows
	}
	if total != last {
		t.Errorf("%d rows were copied, and progress said %d", total, last)
	}
	requireEqual(t, from, to)
}

// requireEqual reads both sides as a server does.
func requireEqual(t *testing.T, one, other *Store) {
	t.Helper()
	if a, b := export(t, one), export(t, other); a != b {
		t.Errorf("the export was\n%s\nand is\n%s", a, b)
	}
	if a, b := auditOf(t, one), auditOf(t, other); !reflect.DeepEqual(a, b) {
		t.Errorf("%d audit entries became %d", len(a), len(b))
	}
	av, a, aerr := one.Keys(t.Context())
	bv, b, berr := other.Keys(t.Context())
	if err := errors.Join(aerr, berr); err != nil || av != bv || !reflect.DeepEqual(a, b) {
		t.Errorf("keys of version %d became those of %d: %v", av, bv, err)
	}
	for _, id := range []string{"A", "b"} {
		a, aerr := one.AccessTokenLogin(t.Context(), id)
		b, berr := other.AccessTokenLogin(t.Context(), id)
		// As text, because no bytes are nil on one database and empty on another.
		if err := errors.Join(aerr, berr); err != nil || fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("the token %+v became %+v: %v", a, b, err)
		}
	}
	for _, s := range []*Store{one, other} {
		guest, err := s.Login(t.Context(), "guest")
		made, merr := s.AccessToken(t.Context(), "made")
		if err := errors.Join(err, merr); err != nil || guest.PasswordMadeBy != "limited" || len(guest.PasswordLimits.Networks) != 1 ||
			guest.PasswordLimits.ExpiresAt.IsZero() || made.MadeBy != "limited" {
			t.Errorf("made by another: %+v and %+v, %v", guest, made, err)
		}
	}
	if a, b := revision(t, one), revision(t, other); a != b {
		t.Errorf("revision %d became %d", a, b)
	}
}

func TestCopyAll(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		first, second, third := onSQLite.open(t), db.open(t), onSQLite.open(t)
		fillAll(t, first)
		copyAll(t, first, second)
		copyAll(t, second, third)
		requireEqual(t, first, third)
		// Life goes on there.
		create(t, second, "user:new")
		grant(t, second, "user:new", "namespace:n:push")
		auditOf(t, second)
	})
}

func TestCopyAllRefusesWhatIsNotEmpty(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		from := onSQLite.open(t)
		create(t, from, "user:alice")
		for name, fill := range map[string]func(s *Store) error{
			"a robot": func(s *Store) error { create(t, s, "robot:ci"); return nil },
			"a right": func(s *Store) error { grant(t, s, "user:anonymous", "namespace:n:pull"); return nil },
			"a failure": func(s *Store) error {
				return s.RecordFailures(t.Context(), FailureChange{New: []Failure{{"a", "b", s.now()}}}, time.Time{})
			},
			"a revision": func(s *Store) error {
				grant(t, s, "user:anonymous", "namespace:n:pull")
				applyState(t, s, "version: dockit/v1\n", state.Options{Prune: true})
				return nil
			},
			"signing key": func(s *Store) error {
				return s.ChangeKeys(t.Context(), 0, []pki.Record{{ID: "a", Purpose: pki.Own, Certificate: []byte{1}, PrivateKey: []byte{2}, CreatedAt: s.now()}}, nil)
			},
		} {
			t.Run(name, func(t *testing.T) {
				to := db.open(t)
				if err := fill(to); err != nil {
					t.Fatal(err)
				}
				before := export(t, to)
				if _, err := CopyAll(t.Context(), from, to, nil); !errors.Is(err, errNotEmpty) {
					t.Errorf("error %v", err)
				}
				if after := export(t, to); after != before {
					t.Errorf("there is now\n%s", after)
				}
			})
		}
	})
}

// TestCopyAllOrNothing copies what does not verify, and what changes meanwhile.
func TestCopyAllOrNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		from, to := db.open(t), onSQLite.open(t)
		create(t, from, "user:alice", "user:bob")
		empty := export(t, to)
		refused := func(want error, progress func(int64)) {
			t.Helper()
			if _, err := CopyAll(t.Context(), from, to, progress); !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
			if after := export(t, to); after != empty {
				t.Errorf("there is now\n%s", after)
			}
		}
		// A database that does not keep what it is given.
		spoil := func(statement string) {
			if _, err := to.writer.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		spoil("CREATE TRIGGER spoil AFTER INSERT ON subjects BEGIN UPDATE subjects SET password_hash = 'x' WHERE name = 'bob'; END")
		refused(errCopyDiffers, nil)
		spoil("DROP TRIGGER spoil")
		changed := false
		refused(errSourceChanged, func(int64) {
			if !changed {
				create(t, from, "user:zoe")
			}
			changed = true
		})
		if _, err := from.writer.ExecContext(t.Context(), "UPDATE audit_entries SET actor = 'user:mallory' WHERE sequence = 2"); err != nil {
			t.Fatal(err)
		}
		refused(ErrAuditBroken, nil)
	})
}

// TestCopyRefusesWhatIsNotOurs does not read a database that may not be what it
// seems to be.
func TestCopyRefusesWhatIsNotOurs(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		for name, statements := range map[string][]string{
			"view": {"CREATE VIEW evil AS SELECT 1 AS a"},
			"trigger": {map[string]string{
				"sqlite": "CREATE TRIGGER evil AFTER INSERT ON login_failures BEGIN UPDATE subjects SET admin = 1; END",
				"mysql":  "CREATE TRIGGER evil AFTER INSERT ON login_failures FOR EACH ROW UPDATE subjects SET admin = 1",
			}[db.dialect]},
		} {
			from := db.open(t)
			for _, statement := range statements {
				if _, err := from.writer.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := CopyAll(t.Context(), from, onSQLite.open(t), nil); !errors.Is(err, errForeignSchema) || !strings.Contains(err.Error(), name+" evil") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestCopyForgetsNoTable compares what is copied with the schema.
func TestCopyForgetsNoTable(t *testing.T) {
	s := onSQLite.open(t)
	inSchema, err := collect(t.Context(), s.reader, func(row scanner) (string, error) {
		var table, column, kind string
		err := row.Scan(&table, &column, &kind)
		return table + "." + column + " " + kind, err
	}, `SELECT t.name, c.name, c.type FROM sqlite_master t JOIN pragma_table_info(t.name) c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE 'goose%'`)
	if err != nil {
		t.Fatal(err)
	}
	var copied []string
	for _, table := range copiedTables {
		for kind, names := range map[string][]string{"INTEGER": table.integers, "TEXT": table.texts, "BLOB": table.blobs} {
			for _, name := range names {
				copied = append(copied, table.name+"."+name+" "+kind)
			}
		}
		key, err := collect(t.Context(), s.reader, func(row scanner) (name string, err error) { return name, row.Scan(&name) },
			"SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", table.name)
		if err != nil || !slices.Equal(key, strings.Split(table.key, ", ")) {
			t.Errorf("the key of %s is %q: %v", table.name, key, err)
		}
	}
	slices.Sort(inSchema)
	slices.Sort(copied)
	if !slices.Equal(inSchema, copied) {
		t.Errorf("in the schema: %q\ncopied: %q", inSchema, copied)
	}
}

func TestCopyOpensExistingOnly(t *testing.T) {
	open := func(config Config) error {
		s, err := OpenExisting(t.Context(), config, zaptest.NewLogger(t))
		if err != nil {
			return err
		}
		return s.Close()
	}
	missing := onSQLite.config(t)
	if err := open(missing); !errors.Is(err, errNoDatabase) {
		t.Errorf("missing: %v", err)
	}
	if _, err := os.Stat(missing.DSN); err == nil {
		t.Error("it was made")
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(Config{Dialect: "sqlite", DSN: empty}); !errors.Is(err, errNoDatabase) {
		t.Errorf("empty file: %v", err)
	}
	if content, err := os.ReadFile(empty); err != nil || len(content) > 0 {
		t.Errorf("%d bytes were written to it: %v", len(content), err)
	}
	eachDatabase(t, func(t *testing.T, db database) {
		config := db.config(t)
		if err := open(config); !errors.Is(err, errNoDatabase) {
			t.Errorf("empty database: %v", err)
		}
		openConfig(t, config)
		if err := open(config); err != nil {
			t.Error(err)
		}
	})
}
