package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
		if _, err := s.ApplyState(t.Context(), statetest.Document(r), state.Options{Prune: true}); err != nil {
			require.ErrorIs(t, err, ErrLastAdmin)
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
	_, err := s.CreateAccessToken(t.Context(), NewAccessToken{
		ID: "limited", Owner: ref(t, "user:zoe"), Name: "limited", Hash: []byte("h"), Networks: networks(t, "10.0.0.0/8"), ExpiresAt: s.now().Add(time.Hour),
	})
	require.NoError(t, err)
	_, err = s.CreateSubject(byToken, NewSubject{Ref: ref(t, "user:guest"), PasswordHash: "$g"})
	require.NoError(t, err)
	_, err = s.CreateAccessToken(byToken, NewAccessToken{ID: "made", Owner: ref(t, "user:guest"), Hash: []byte("h")})
	require.NoError(t, err)
	fillFederation(t, s)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	certificate := bytes.Repeat(every, 3000) // less than a packet, more than half a batch
	for i := range int64(3) {
		require.NoError(t, s.ChangeKeys(t.Context(), i, []pki.Record{{ID: fmt.Sprint(i), Purpose: pki.Own, Certificate: certificate, PrivateKey: every, CreatedAt: s.now()}}, nil))
	}
	require.NoError(t, s.RecordFailures(t.Context(), FailureChange{New: []Failure{{"mallory", "192.0.2.1/32", s.now()}}}, time.Time{}))
	cut, err := s.EndOfAudit(t.Context(), audit.Checkpoint{}, s.now().Add(time.Hour))
	require.NoError(t, err)
	checkpoint := audit.Checkpoint{Number: 1, Sequence: cut.Sequence, Hash: cut.Hash, Until: cut.At, Removed: cut.Sequence}
	require.NoError(t, s.CutAudit(t.Context(), checkpoint, signed(t, checkpoint)))
	for range 2 { // which leaves some
		_, err := s.RemoveCutEntries(t.Context())
		require.NoError(t, err)
	}
	create(t, s, "user:late")
	require.NoError(t, s.RecordUses(t.Context(), Uses{
		AccessTokens: map[string]Use{"A": {At: s.now(), Address: "192.0.2.7", Client: "docker"}},
		Networks:     map[LoginNetwork]time.Time{{zoe, "192.0.2.7/32"}: s.now()},
	}))
}

func copyAll(t *testing.T, from, to *Store) {
	t.Helper()
	var last int64
	copied, err := CopyAll(t.Context(), from, to, func(rows int64) {
		assert.Greater(t, rows, last, "%d rows after %d", rows, last)
		last = rows
	})
	require.NoError(t, err)
	var total int64
	for _, c := range copied {
		assert.NotZero(t, c.Rows, "the test fills no %s", c.Table)
		total += c.Rows
	}
	assert.Equal(t, last, total, "%d rows were copied, and progress said %d", total, last)
	requireEqual(t, from, to)
}

// requireEqual reads both sides as a server does.
func requireEqual(t *testing.T, one, other *Store) {
	t.Helper()
	assert.Equal(t, export(t, one), export(t, other), "the export")
	assert.Equal(t, auditOf(t, one), auditOf(t, other), "the audit")
	av, a, aerr := one.Keys(t.Context())
	bv, b, berr := other.Keys(t.Context())
	require.NoError(t, errors.Join(aerr, berr))
	assert.Equal(t, bv, av)
	assert.Equal(t, a, b)
	for _, id := range []string{"A", "b"} {
		a, aerr := one.AccessTokenLogin(t.Context(), id)
		b, berr := other.AccessTokenLogin(t.Context(), id)
		// As text, because no bytes are nil on one database and empty on another.
		require.NoError(t, errors.Join(aerr, berr), "the token %+v became %+v", a, b)
		assert.Equal(t, fmt.Sprint(b), fmt.Sprint(a), "the token %+v became %+v", a, b)
	}
	for _, s := range []*Store{one, other} {
		guest, err := s.Login(t.Context(), "guest")
		made, merr := s.AccessToken(t.Context(), "made")
		require.NoError(t, errors.Join(err, merr), "made by another")
		assert.Equal(t, "limited", guest.PasswordMadeBy, "made by another: %+v and %+v", guest, made)
		require.Len(t, guest.PasswordLimits.Networks, 1, "made by another: %+v and %+v", guest, made)
		assert.False(t, guest.PasswordLimits.ExpiresAt.IsZero(), "made by another: %+v and %+v", guest, made)
		assert.Equal(t, "limited", made.MadeBy, "made by another: %+v and %+v", guest, made)
	}
	session, err := one.Session(t.Context(), "session")
	require.NoError(t, err)
	same, err := other.Session(t.Context(), "session")
	require.NoError(t, err)
	assert.Equal(t, session, same)
	was, err := one.Federation(t.Context())
	require.NoError(t, err)
	is, err := other.Federation(t.Context())
	require.NoError(t, err)
	assert.Equal(t, was, is, "issuers and bindings")
	assert.Equal(t, revision(t, one), revision(t, other), "the revision")
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
				require.NoError(t, fill(to))
				before := export(t, to)
				_, err := CopyAll(t.Context(), from, to, nil)
				require.ErrorIs(t, err, errNotEmpty)
				assert.Equal(t, before, export(t, to), "changed")
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
			_, err := CopyAll(t.Context(), from, to, progress)
			require.ErrorIs(t, err, want)
			assert.Equal(t, empty, export(t, to), "changed")
		}
		// A database that does not keep what it is given.
		spoil := func(statement string) {
			_, err := to.writer.ExecContext(t.Context(), statement)
			require.NoError(t, err)
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
		_, err := from.writer.ExecContext(t.Context(), "UPDATE audit_entries SET actor = 'user:mallory' WHERE sequence = 2")
		require.NoError(t, err)
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
				_, err := from.writer.ExecContext(t.Context(), statement)
				require.NoError(t, err)
			}
			_, err := CopyAll(t.Context(), from, onSQLite.open(t), nil)
			require.ErrorIs(t, err, errForeignSchema, name)
			assert.ErrorContains(t, err, name+" evil", name)
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
	require.NoError(t, err)
	var copied []string
	for _, table := range copiedTables {
		for kind, names := range map[string][]string{"INTEGER": table.integers, "TEXT": table.texts, "BLOB": table.blobs} {
			for _, name := range names {
				copied = append(copied, table.name+"."+name+" "+kind)
			}
		}
		key, err := collect(t.Context(), s.reader, func(row scanner) (name string, err error) { return name, row.Scan(&name) },
			"SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", table.name)
		require.NoError(t, err, table.name)
		assert.Equal(t, strings.Split(table.key, ", "), key, table.name)
	}
	slices.Sort(inSchema)
	slices.Sort(copied)
	assert.Equal(t, copied, inSchema, "the tables of the schema are copied")
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
	require.ErrorIs(t, open(missing), errNoDatabase, "missing")
	_, err := os.Stat(missing.DSN)
	require.Error(t, err, "it was made")
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	require.ErrorIs(t, open(Config{Dialect: "sqlite", DSN: empty}), errNoDatabase, "empty file")
	content, err := os.ReadFile(empty)
	require.NoError(t, err)
	assert.Empty(t, content)
	eachDatabase(t, func(t *testing.T, db database) {
		config := db.config(t)
		require.ErrorIs(t, open(config), errNoDatabase, "empty database")
		openConfig(t, config)
		assert.NoError(t, open(config))
	})
}
