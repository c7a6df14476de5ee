package retention

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/store"
)

// fixture is an audit whose keeper lives in the future.
type fixture struct {
	t      *testing.T
	path   string
	store  *store.Store
	ring   *pki.Ring
	keeper *Keeper
}

const keep = 365 * day

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, path: filepath.Join(t.TempDir(), "dockit.sqlite")}
	var err error
	f.store, err = store.Open(t.Context(), store.Config{Dialect: "sqlite", DSN: f.path}, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.store.Close()) })
	f.ring, err = pki.NewGeneratedRing(t.Context(), f.store, pki.Options{Services: []string{"registry"}}, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(f.ring.Close)
	f.keeper = &Keeper{store: f.store, ring: f.ring, keep: keep, logger: zap.NewNop(), now: time.Now}
	return f
}

func (f *fixture) add(n int) {
	f.t.Helper()
	events := make([]audit.Event, n)
	for i := range events {
		events[i] = audit.Event{Action: audit.LoginFailed, Address: fmt.Sprint(i)}
	}
	require.NoError(f.t, f.store.RecordEvents(f.t.Context(), events))
}

// cut runs the keeper when everything is old enough.
func (f *fixture) cut() error {
	f.t.Helper()
	f.keeper.now = func() time.Time { return time.Now().Add(keep + 2*day) }
	return f.keeper.run(f.t.Context())
}

func (f *fixture) exec(statement string, args ...any) {
	f.t.Helper()
	db, err := sql.Open("sqlite", f.path)
	require.NoError(f.t, err)
	defer db.Close()
	_, err = db.Exec(statement, args...)
	require.NoError(f.t, err)
}

// verify does what 'audit verify' does, and returns the first entry.
func (f *fixture) verify() (int64, error) {
	f.t.Helper()
	statements, err := f.store.AuditCheckpoints(f.t.Context(), 0, 1000)
	require.NoError(f.t, err)
	var checkpoints audit.Checkpoints
	for _, s := range statements {
		if err := checkpoints.Next(s); err != nil {
			return 0, err
		}
	}
	last, statement := checkpoints.Last()
	if statement != "" {
		if _, err := statement.Verify(trusted(f.ring)); err != nil {
			return 0, err
		}
	}
	chain := checkpoints.Chain()
	entries, err := f.store.AuditEntries(f.t.Context(), store.AuditQuery{Limit: 100_000})
	require.NoError(f.t, err)
	for _, e := range entries {
		if err := chain.Next(e); err != nil {
			return 0, err
		}
	}
	head, err := f.store.AuditHead(f.t.Context())
	require.NoError(f.t, err)
	return last.Sequence + 1, chain.End(head)
}

func TestAuditIsCutAtASignedCheckpoint(t *testing.T) {
	f := newFixture(t)
	f.add(2500)
	require.NoError(t, f.keeper.run(t.Context()))
	from, err := f.verify()
	require.NoError(t, err)
	assert.Equal(t, int64(1), from, "nothing is old")
	require.NoError(t, f.cut())
	from, err = f.verify()
	require.NoError(t, err)
	assert.Equal(t, int64(2501), from)
	f.add(7)
	from, err = f.verify()
	require.NoError(t, err)
	assert.Equal(t, int64(2501), from, "the chain goes on")
	require.NoError(t, f.cut())
	require.NoError(t, f.cut(), "with nothing to cut")
	from, err = f.verify()
	require.NoError(t, err)
	assert.Equal(t, int64(2508), from)
	statements, err := f.store.AuditCheckpoints(t.Context(), 0, 10)
	require.NoError(t, err)
	assert.Len(t, statements, 2)
	removed, err := f.store.RemoveCutEntries(t.Context())
	require.NoError(t, err)
	assert.Zero(t, removed, "nothing was left over")
}

func TestNothingIsCutWithoutARetention(t *testing.T) {
	f := newFixture(t)
	f.add(3)
	f.keeper.keep = 0
	require.NoError(t, f.cut())
	from, err := f.verify()
	require.NoError(t, err)
	assert.Equal(t, int64(1), from)
}

// TestForgedCutsAreFound does what somebody can do who may write to the database
// and has no key.
func TestForgedCutsAreFound(t *testing.T) {
	forge := func(t *testing.T, f *fixture, change func(*audit.Checkpoint)) {
		t.Helper()
		last, err := f.store.LastAuditCheckpoint(t.Context())
		require.NoError(t, err)
		c, err := last.Read()
		require.NoError(t, err)
		change(&c)
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Dockit"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		require.NoError(t, err)
		c.Certificates = append([][]byte{der}, c.Certificates[1:]...)
		forged, err := c.Sign(key, "ES256")
		require.NoError(t, err)
		f.exec("UPDATE audit_checkpoints SET statement = ?, sequence = ? WHERE number = ?", string(forged), c.Sequence, c.Number)
	}
	for name, c := range map[string]struct {
		attack func(t *testing.T, f *fixture)
		want   error
	}{
		"missing":      {func(_ *testing.T, f *fixture) { f.exec("DELETE FROM audit_checkpoints") }, audit.ErrGap},
		"one missing":  {func(_ *testing.T, f *fixture) { f.exec("DELETE FROM audit_checkpoints WHERE number = 1") }, audit.ErrCheckpoint},
		"last missing": {func(_ *testing.T, f *fixture) { f.exec("DELETE FROM audit_checkpoints WHERE number = 2") }, audit.ErrGap},
		"renumbered":   {func(_ *testing.T, f *fixture) { f.exec("UPDATE audit_checkpoints SET number = 3 - number + 10") }, audit.ErrCheckpoint},
		"column moved": {func(_ *testing.T, f *fixture) {
			f.exec("UPDATE audit_checkpoints SET sequence = sequence + 1 WHERE number = 2")
		}, audit.ErrGap},
		"own key": {func(t *testing.T, f *fixture) { forge(t, f, func(*audit.Checkpoint) {}) }, audit.ErrCheckpoint},
		"moved forward": {func(t *testing.T, f *fixture) {
			entries, err := f.store.AuditEntries(t.Context(), store.AuditQuery{Limit: 2})
			require.NoError(t, err)
			forge(t, f, func(c *audit.Checkpoint) {
				c.Sequence, c.Hash, c.Removed = entries[1].Sequence, entries[1].Hash, c.Removed+2
			})
		}, audit.ErrCheckpoint},
		"entries cut by hand": {func(_ *testing.T, f *fixture) {
			f.exec("DELETE FROM audit_entries WHERE sequence <= (SELECT MIN(sequence) + 1 FROM audit_entries)")
		}, audit.ErrGap},
		"no statement": {func(_ *testing.T, f *fixture) {
			f.exec("UPDATE audit_checkpoints SET statement = 'x' WHERE number = 2")
		}, audit.ErrCheckpoint},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.add(5)
			require.NoError(t, f.cut())
			f.add(5)
			require.NoError(t, f.cut())
			f.add(5)
			_, err := f.verify()
			require.NoError(t, err)
			c.attack(t, f)
			_, err = f.verify()
			require.ErrorIs(t, err, c.want)
		})
	}
}

// TestForgeriesAreNotSignedOver lets the keeper run after an attack: it must not
// vouch for it.
func TestForgeriesAreNotSignedOver(t *testing.T) {
	f := newFixture(t)
	f.add(5)
	require.NoError(t, f.cut())
	f.add(5)
	f.exec("UPDATE audit_entries SET address = 'elsewhere' WHERE sequence = 7")
	require.ErrorIs(t, f.cut(), store.ErrAuditBroken)
	_, err := f.verify()
	require.ErrorIs(t, err, audit.ErrAltered)
	f.exec("UPDATE audit_checkpoints SET statement = replace(statement, '.', 'A.')")
	require.ErrorIs(t, f.cut(), audit.ErrCheckpoint)
}

func TestCheckpointOutlivesItsAuthority(t *testing.T) {
	f := newFixture(t)
	f.add(5)
	require.NoError(t, f.cut())
	before, err := f.store.LastAuditCheckpoint(t.Context())
	require.NoError(t, err)
	_, err = f.ring.RotateAuthority(t.Context(), true)
	require.NoError(t, err)
	f.keeper.keep = 0 // whatever is kept now
	require.NoError(t, f.keeper.run(t.Context()))
	after, err := f.store.LastAuditCheckpoint(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, before, after, "it is signed anew")
	old, err := before.Read()
	require.NoError(t, err)
	anew, err := after.Read()
	require.NoError(t, err)
	assert.NotEqual(t, old.Certificates[1], anew.Certificates[1])
	assert.Equal(t, old.Sequence, anew.Sequence)
	from, err := f.verify()
	require.NoError(t, err)
	assert.Equal(t, int64(6), from)
	require.NoError(t, f.keeper.run(t.Context()))
	again, err := f.store.LastAuditCheckpoint(t.Context())
	require.NoError(t, err)
	assert.Equal(t, after, again, "once is enough")
}

// TestCheckpointOutlivesARevokedAuthority revokes the authority that signed where
// the audit was cut before the keeper runs again.
func TestCheckpointOutlivesARevokedAuthority(t *testing.T) {
	f := newFixture(t)
	f.add(5)
	require.NoError(t, f.cut())
	for _, key := range f.ring.Keys() {
		if key.Purpose == pki.Authority && key.State == pki.Active {
			_, err := f.ring.Revoke(t.Context(), key.ID)
			require.NoError(t, err)
		}
	}
	_, err := f.verify()
	require.ErrorIs(t, err, audit.ErrCheckpoint)
	stranger := &Keeper{store: f.store, ring: f.ring, keep: keep, logger: zap.NewNop(), now: time.Now}
	require.ErrorIs(t, stranger.run(t.Context()), audit.ErrCheckpoint, "who did not see it hold does not vouch for it")
	require.NoError(t, f.keeper.run(t.Context()))
	from, err := f.verify()
	require.NoError(t, err)
	assert.Equal(t, int64(6), from)
	require.NoError(t, stranger.run(t.Context()))
}

// TestCheckpointIsSignedAnewAtOnce waits for it without a call, for an authority
// is revoked soon after it was replaced.
func TestCheckpointIsSignedAnewAtOnce(t *testing.T) {
	f := newFixture(t)
	f.add(5)
	require.NoError(t, f.cut())
	running := Start(f.store, f.ring, keep, zap.NewNop())
	t.Cleanup(running.Close)
	_, err := f.ring.RotateAuthority(t.Context(), true)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		statements, err := f.store.AuditCheckpoints(t.Context(), 0, 10)
		return err == nil && len(statements) == 2
	}, 30*time.Second, 20*time.Millisecond)
}

// TestSignerThatChangesWhileItRunsIsSeen rotates the authority between a run and
// the wait for the next one.
func TestSignerThatChangesWhileItRunsIsSeen(t *testing.T) {
	f := newFixture(t)
	before := f.keeper.signer()
	_, err := f.ring.RotateAuthority(t.Context(), true)
	require.NoError(t, err)
	waiting, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	assert.True(t, f.keeper.wait(waiting, before), "it is not run again")
}

func TestKnownHeadThatWasCut(t *testing.T) {
	f := newFixture(t)
	f.add(5)
	known, err := f.store.AuditHead(t.Context())
	require.NoError(t, err)
	require.NoError(t, f.cut())
	f.add(1)
	statement, err := f.store.LastAuditCheckpoint(t.Context())
	require.NoError(t, err)
	var checkpoints audit.Checkpoints
	require.NoError(t, checkpoints.Next(statement))
	for name, c := range map[string]struct {
		known audit.Head
		cut   bool
		err   error
	}{
		"the last that was cut":   {known, true, nil},
		"another one":             {audit.Head{Sequence: 3, Hash: known.Hash}, true, nil},
		"another in its place":    {audit.Head{Sequence: 5, Hash: "00"}, true, audit.ErrAltered},
		"one that is still there": {audit.Head{Sequence: 6, Hash: "00"}, false, nil},
		"none":                    {audit.Head{}, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			cut, err := checkpoints.Cut(c.known)
			assert.Equal(t, c.cut, cut)
			assert.True(t, errors.Is(err, c.err) || err == nil && c.err == nil)
		})
	}
}
