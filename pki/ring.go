package pki

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"

	"github.com/dockit-registry/dockit/internal/printable"
)

// Ring holds the keys of one Dockit node, kept in step with every other node
// on the same [Store]. It is safe for concurrent use; what requests need takes
// no lock.
type Ring struct {
	store   Store
	options Options
	seals   sealer
	logger  *zap.Logger

	// files is where a key was brought to, or nil.
	files *Files

	view      atomic.Pointer[snapshot]
	confirmed atomic.Int64 // when view was last known to hold, Unix nanoseconds
	refused   atomic.Int64 // when asking the store last failed
	asking    singleflight.Group
	counters  counters

	// mu is held while keys change. What follows belongs to it.
	mu       sync.Mutex
	external *externalHistory
	opened   map[string]openedKey
	problems map[string]string // the last one logged, by what failed
	warnedAt time.Time

	// lookedAt is when the files were last looked at for no reason. It
	// belongs to maintain.
	lookedAt time.Time

	stop context.CancelFunc
	done sync.WaitGroup
}

// openedKey is a private key that this process has opened, with its
// certificate.
type openedKey struct {
	signer crypto.Signer
	cert   *x509.Certificate
}

// NewGeneratedRing returns a ring whose keys Dockit makes by itself. The first
// node on an empty store makes them, whichever that is; every other finds
// them.
func NewGeneratedRing(ctx context.Context, store Store, options Options, logger *zap.Logger) (*Ring, error) {
	return newRing(ctx, store, nil, options, logger)
}

// NewFileRing returns a ring for a key and certificate that were brought
// along, and follows their files when they change.
//
// A certificate that is no authority signs tokens itself. Registries then
// trust that very certificate, never the one that issued it, and are to be
// given the next one before the file changes. Under an authority Dockit makes
// signing keys as it does under its own, and keeps them in the store.
func NewFileRing(ctx context.Context, store Store, files Files, options Options, logger *zap.Logger) (*Ring, error) {
	return newRing(ctx, store, &files, options, logger)
}

func newRing(ctx context.Context, store Store, files *Files, options Options, logger *zap.Logger) (*Ring, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Ring{
		store:    store,
		options:  options,
		seals:    sealer{keys: options.EncryptionKeys},
		logger:   logger,
		files:    files,
		opened:   make(map[string]openedKey),
		problems: make(map[string]string),
	}
	if files != nil {
		if err := r.loadFirst(); err != nil {
			return nil, err
		}
	}
	if err := r.update(ctx, updateRequest{start: true}); err != nil {
		return nil, err
	}
	r.announce()

	// The ring outlives the start that ctx belongs to, and keeps nothing of it.
	running, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.done.Go(func() { r.maintain(running) })
	return r, nil
}

// loadFirst reads the files when the ring is made, where everything that is
// wrong with them is an error.
func (r *Ring) loadFirst() error {
	now := r.now()
	content, err := r.files.read()
	if err != nil {
		return err
	}
	p, err := r.files.parse(content, now)
	if err != nil {
		return err
	}
	if err := r.accept(p, now); err != nil {
		return err
	}
	r.external = new(externalHistory)
	r.external.replace(p, sha256.Sum256(content), now)
	return nil
}

// accept reports why a pair cannot serve the configured services.
func (r *Ring) accept(p *pair, now time.Time) error {
	if p.cert.IsCA {
		return nil
	}
	if !now.Before(p.cert.NotAfter.Add(-r.options.verification())) {
		return fmt.Errorf("%s: %w: %q ends at %s, before a token signed now would", r.files, errExpired,
			printable.Clip(p.cert.Subject.String()), p.cert.NotAfter.UTC().Format(time.RFC3339))
	}
	if len(r.options.KidOnly) > 0 && !hasFullCoordinates(p.signer.Public()) {
		return fmt.Errorf("%s: %w: a coordinate of the key begins with a zero byte, and service %q, which knows keys by their ID alone, would refuse its tokens; make another key",
			r.files, errUnsupportedKey, r.options.KidOnly[0])
	}
	return nil
}

// announce says once at the start what the keys are.
func (r *Ring) announce() {
	v := r.view.Load()
	for _, info := range v.inventory {
		if info.State == Active {
			r.logger.Info("key in use",
				zap.String("purpose", string(info.Purpose)),
				zap.String("service", info.Service),
				zap.String("kid", info.ID),
				zap.String("fingerprint", info.Fingerprint),
				zap.Time("not_after", info.NotAfter))
		}
	}
	if r.files != nil {
		r.warnOfExpiry(r.now())
	}
	if r.options.SealExisting {
		r.logger.Warn("keys that stand in the clear are taken over and sealed at each start, whoever has put them into the database: remove seal_existing from the configuration")
	}
	if len(r.seals.keys) == 0 && slices.ContainsFunc(v.inventory, func(k KeyInfo) bool { return !k.External }) {
		r.logger.Info("private keys stand unencrypted in the database; configure an encryption key to seal them")
	}
}

// Close stops following other nodes and files. It waits until that is over;
// the keys can still be read afterwards.
func (r *Ring) Close() {
	r.stop()
	r.done.Wait()
}

// SigningKey is the key that signs the tokens of a service now. It returns
// [errNoSigningKey] when there is none.
//
// A node that has not heard of the others for a while, because the machine
// slept or the database is away, asks the store first. When that does not
// answer it goes on to sign for [Options.ServeStale]: a key that was replaced
// meanwhile is trusted for longer than its tokens live, and of one that was
// revoked no registry takes the tokens whose trust is up to date.
func (r *Ring) SigningKey(service string) (*SigningKey, error) {
	now := r.now()
	if !r.fresh(now) {
		if err := r.ask(); err != nil {
			return nil, fmt.Errorf("%w: asking the database: %w", errNoSigningKey, err)
		}
		now = r.now()
	}
	v := r.view.Load() // the one that was confirmed, or a later one
	s := v.of(service).at(now)
	if s == nil {
		return nil, fmt.Errorf("%w for service %q", errNoSigningKey, printable.Clip(service))
	}
	return s.key, nil
}

// Bundle is what the registry of a service trusts, as certificates in PEM. Do
// not change it.
func (r *Ring) Bundle(service string) []byte { return r.view.Load().of(service).bundle }

// KeySet is what the registry of a service trusts, as a JWK set. The key in
// use comes first. Do not change it.
func (r *Ring) KeySet(service string) jose.JSONWebKeySet { return r.view.Load().of(service).keys }

// Keys describes every key the ring knows, oldest first.
func (r *Ring) Keys() []KeyInfo { return slices.Clone(r.view.Load().inventory) }

// now is the time without the monotonic clock, which stands still while a
// machine sleeps.
func (r *Ring) now() time.Time { return r.options.Now().UTC().Round(0) }

// age is how long ago the view was confirmed. It is below zero when the clock went back, or when the view was confirmed
// since now.
func (r *Ring) age(now time.Time) time.Duration { return now.Sub(time.Unix(0, r.confirmed.Load())) }

// fresh reports whether the view was confirmed a short while ago.
func (r *Ring) fresh(now time.Time) bool { return r.within(r.age(now), r.freshness()) }

func (r *Ring) freshness() time.Duration { return max(5*r.options.PollInterval, 5*time.Second) }

// usable reports whether the view may be used although the store does not confirm it.
func (r *Ring) usable(now time.Time) bool {
	return r.within(r.age(now), max(r.freshness(), r.options.ServeStale))
}

// within reports whether a view of that age was confirmed no longer ago than most, by a clock that did not go back since.
func (r *Ring) within(age, most time.Duration) bool { return -r.freshness() <= age && age <= most }

// ask brings the ring up to date on behalf of requests, and returns an error when its view may not be used. Requests
// share one attempt, and a failed one holds for a second, or for longer when there are keys to go on with: that the
// store answers again is found out without requests.
func (r *Ring) ask() error {
	_, err, _ := r.asking.Do("", func() (any, error) {
		now := r.now()
		if r.fresh(now) {
			return nil, nil
		}
		hold := time.Second
		usable := r.usable(now)
		if usable { // and who asks need not wait
			hold = 5 * time.Second
		}
		if age := now.UnixNano() - r.refused.Load(); age >= 0 && age < hold.Nanoseconds() {
			if usable {
				return nil, nil
			}
			return nil, errors.New("it did not answer a moment ago")
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		err := r.update(ctx, updateRequest{})
		if err != nil {
			r.refused.Store(r.now().UnixNano())
		}
		if r.usable(r.now()) {
			return nil, nil // the keys were read, whatever else failed, or those from before go on
		}
		return nil, err
	})
	return err
}
