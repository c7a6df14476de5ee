// Package retention cuts the audit where it is older than it is to be kept, and
// signs where it was cut.
package retention

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/store"
)

const (
	// Least is the shortest time that an audit can be kept.
	Least = 24 * time.Hour
	// interval is how often it is looked at.
	interval = time.Hour
	// day is what a cut is rounded to, so that there is one a day.
	day = 24 * time.Hour
	// look is how often the authority is looked at: what was signed under one that
	// is not used any more is signed anew at once, before that one is revoked.
	look = 2 * time.Second
	// pause leaves others room between two batches.
	pause = 50 * time.Millisecond
)

// Keeper cuts one audit in the background. Every node has one: the fastest cuts.
type Keeper struct {
	store  *store.Store
	ring   *pki.Ring
	keep   time.Duration
	logger *zap.Logger
	now    func() time.Time // what counts for age

	// vouched is the newest checkpoint that was found to hold, or signed here. It
	// holds on when its authority is revoked afterwards.
	vouched audit.Statement

	stop context.CancelFunc
	done chan struct{}
}

// Start begins to keep entries for a time, for ever if that is 0. Entries go
// once a day, up to a day later. Close the keeper before the ring.
func Start(s *store.Store, ring *pki.Ring, keep time.Duration, logger *zap.Logger) *Keeper {
	running, stop := context.WithCancel(context.Background())
	k := &Keeper{store: s, ring: ring, keep: keep, logger: logger, now: s.Now, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(k.done)
		for {
			signer := k.signer() // before, so that one that changes meanwhile is seen
			if err := k.run(running); err != nil && running.Err() == nil {
				logger.Error("cannot cut the audit", zap.Error(err))
			}
			if !k.wait(running, signer) {
				return
			}
		}
	}()
	return k
}

// wait returns when it is time to run again, because there is another signer than
// before or because it was long ago, or false at the end.
func (k *Keeper) wait(ctx context.Context, before []byte) bool {
	deadline := time.Now().Add(interval)
	for time.Now().Before(deadline) && bytes.Equal(k.signer(), before) {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(look):
		}
	}
	return ctx.Err() == nil
}

// signer is the certificate under which a checkpoint would be signed: that of the
// authority, or of a key without one. It is empty when there is none.
func (k *Keeper) signer() []byte {
	key, err := k.ring.SigningKey("")
	if err != nil {
		return nil
	}
	chain := chainOf(key, k.ring.Bundle(""))
	return chain[len(chain)-1]
}

// Close stops. What is half done, the next one finishes.
func (k *Keeper) Close() {
	k.stop()
	<-k.done
}

// run cuts once what is old enough.
func (k *Keeper) run(ctx context.Context) error {
	last, err := k.store.LastAuditCheckpoint(ctx)
	if err != nil {
		return err
	}
	var from audit.Checkpoint
	if last != "" {
		// The key that signs the next one vouches for this one.
		if from, err = k.verify(last); err != nil {
			return fmt.Errorf("%w: somebody wrote to the database, or the authority changed while no Dockit ran: "+
				"see 'dockit rbac audit verify'; nothing is cut", err)
		}
	}
	next := audit.Checkpoint{Number: from.Number + 1, Sequence: from.Sequence, Hash: from.Hash, Until: from.Until}
	if last != "" {
		next.Previous = last.Digest()
	}
	if k.keep > 0 && k.store.MayForget() {
		end, err := k.store.EndOfAudit(ctx, from, k.now().UTC().Add(-k.keep).Truncate(day))
		if err != nil {
			return err
		}
		if end.Sequence > 0 {
			next.Sequence, next.Hash, next.Until, next.Removed = end.Sequence, end.Hash, end.At, end.Sequence-from.Sequence
		}
	}
	if err := k.checkpoint(ctx, last, from, next); err != nil {
		return err
	}
	for {
		removed, err := k.store.RemoveCutEntries(ctx)
		if err != nil || removed == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// verify checks the newest checkpoint, for which it need not trust an authority
// that was revoked since.
func (k *Keeper) verify(last audit.Statement) (audit.Checkpoint, error) {
	if last == k.vouched {
		return last.Read()
	}
	c, err := last.Verify(trusted(k.ring))
	if err == nil {
		k.vouched = last
	}
	return c, err
}

// checkpoint signs where the audit is cut, and signs that anew when another
// authority is in use.
func (k *Keeper) checkpoint(ctx context.Context, last audit.Statement, from, next audit.Checkpoint) error {
	key, err := k.ring.SigningKey("")
	if err != nil {
		return fmt.Errorf("sign where the audit is cut: %w", err)
	}
	next.Certificates = chainOf(key, k.ring.Bundle(""))
	sameAuthority := last != "" && slices.Equal(from.Certificates[len(from.Certificates)-1], next.Certificates[len(next.Certificates)-1])
	if next.Removed == 0 && (last == "" || sameAuthority) {
		return nil
	}
	next.At = k.store.Now().UTC()
	statement, err := next.Sign(key.Signer, key.Algorithm)
	if err != nil {
		return err
	}
	if _, err := statement.Verify(trusted(k.ring)); err != nil {
		return fmt.Errorf("sign where the audit is cut: %w", err)
	}
	switch err := k.store.CutAudit(ctx, next, statement); {
	case errors.Is(err, store.ErrStale):
		return nil // another node did it
	case err != nil:
		return err
	}
	k.vouched = statement
	k.logger.Info("cut the audit", zap.Int64("removed", next.Removed), zap.Int64("sequence", next.Sequence), zap.Time("until", next.Until))
	return nil
}

// chainOf is the certificate of a key, and that of its authority if it has one.
func chainOf(key *pki.SigningKey, bundle []byte) [][]byte {
	leaf := key.Chain[0]
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		authority, err := x509.ParseCertificate(block.Bytes)
		if err == nil && !authority.Equal(leaf) && leaf.CheckSignatureFrom(authority) == nil {
			return [][]byte{leaf.Raw, authority.Raw}
		}
	}
	return [][]byte{leaf.Raw}
}

// trusted are the fingerprints of the certificates whose signatures count: the
// authorities, and the keys that were brought without one.
func trusted(ring *pki.Ring) []string {
	var trusted []string
	for _, key := range ring.Keys() {
		if key.RevokedAt.IsZero() && !key.Unproven && (key.Purpose == pki.Authority || key.External) {
			trusted = append(trusted, key.Fingerprint)
		}
	}
	return trusted
}
