package auth

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/federation/verifier"
	"github.com/dockit-registry/dockit/internal/issuerkeys"
	"github.com/dockit-registry/dockit/store"
)

// issuers judges the tokens of trusted issuers, and keeps their keys fresh.
type issuers struct {
	verifier  *verifier.Verifier
	refresher *issuerkeys.Refresher
	recorder  *verifier.Recorder
	forgeries *forgeries
	refusals  refusalCounts

	mu sync.Mutex
	// latest is what was made ready last, of what has that digest.
	latest *known
	digest [sha256.Size]byte
	// read is what the cache said last.
	read *store.Issuer
	// listed are those that are not disabled, as of a moment ago.
	listed atomic.Pointer[[]IssuerStats] // or nil

	stop    context.CancelFunc
	running sync.WaitGroup
}

func newIssuers(s *store.Store, d *cache.Cache, logger *zap.Logger) *issuers {
	i := &issuers{forgeries: newForgeries(), stop: func() {}, latest: readyToJudge(store.Federation{})}
	i.refresher = issuerkeys.New(issuerkeys.Options{
		Store: s, Now: s.Now, Logger: logger,
		List: func(ctx context.Context) ([]issuerkeys.Known, error) { return i.list(ctx, s, d) },
	})
	i.recorder = verifier.NewRecorder(func(ctx context.Context, refusals map[int64][]verifier.Refusal) error {
		if away := d.Unavailable(); away != nil {
			return away
		}
		return s.RecordIssuerRefusals(ctx, storedRefusals(refusals))
	})
	i.verifier = verifier.New(verifier.Options{Trust: i.trusted(d), Look: i.refresher.Look, Refused: i.refused, Now: s.Now})
	return i
}

// start keeps keys fresh and refusals recorded until close.
func (i *issuers) start() {
	ctx, cancel := context.WithCancel(context.Background())
	i.stop = cancel
	i.running.Go(func() { i.refresher.Run(ctx) })
	i.running.Go(func() { i.recorder.Run(ctx) })
}

// listTimeout bounds looking at all issuers.
const listTimeout = 10 * time.Second

// refused counts a refusal, and has it kept.
func (i *issuers) refused(r verifier.Refusal) {
	i.refusals.add(r.Refused)
	i.recorder.Record(r)
}

// list says which issuers there are, and notes for monitoring what is known of them.
func (i *issuers) list(ctx context.Context, s *store.Store, d *cache.Cache) ([]issuerkeys.Known, error) {
	if err := d.Unavailable(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	f, err := s.IssuerKeysNow(ctx)
	if err != nil {
		return nil, err
	}
	i.note(f)
	return knownIssuers(f), nil
}

func (i *issuers) note(f store.Federation) {
	listed, names := make([]IssuerStats, 0, len(f.Issuers)), make(map[string]bool, len(f.Issuers))
	for _, issuer := range f.Issuers {
		names[issuer.Name] = true
		if issuer.Disabled {
			continue
		}
		known := IssuerStats{Name: issuer.Name}
		if keys := f.Keys[issuer.ID]; issuer.JWKS == "" {
			known.AwaySince = keys.AwaySince
			if keys.Source == issuer.KeySource() {
				known.KeysFetched = keys.FetchedAt
			}
		}
		listed = append(listed, known)
	}
	i.listed.Store(&listed)
	i.refusals.keep(names)
}

// close ends what start began, and writes down what was refused.
func (i *issuers) close(ctx context.Context) {
	i.stop()
	i.running.Wait()
	i.refresher.Close()
	i.recorder.Flush(ctx)
}

// trusted says what counts, as a cache knows it.
func (i *issuers) trusted(d *cache.Cache) func(context.Context) (*verifier.Trust, error) {
	return func(ctx context.Context) (*verifier.Trust, error) {
		k, err := i.known(ctx, d)
		if err != nil {
			return nil, err
		}
		return k.trust, nil
	}
}

// known is everything that counts, as a cache knows it.
func (i *issuers) known(ctx context.Context, d *cache.Cache) (*known, error) {
	f, err := d.Federation(ctx)
	if err != nil {
		return nil, err
	}
	return i.ready(f), nil
}

// known is by what tokens and sessions are judged at one moment. It never changes.
type known struct {
	trust *verifier.Trust
	// bindings are those of sessions, by their ids.
	bindings map[int64]*knownBinding
}

// knownBinding is what the binding of a session says.
type knownBinding struct {
	federation.Binding
	robotID        int64
	issuerDisabled bool
	conditions     func() federation.Compiled
	// narrow is what its scopes allow, nil without any.
	narrow func() *access.Rights
}

func readyToJudge(f store.Federation) *known {
	k := &known{trust: TrustOf(f), bindings: make(map[int64]*knownBinding, len(f.Bindings))}
	disabled := make(map[int64]bool, len(f.Issuers))
	for _, issuer := range f.Issuers {
		disabled[issuer.ID] = issuer.Disabled
	}
	for _, b := range f.Bindings {
		off, there := disabled[b.IssuerID]
		k.bindings[b.ID] = &knownBinding{
			Binding: b.Binding, robotID: b.RobotID, issuerDisabled: off || !there,
			conditions: sync.OnceValue(func() federation.Compiled { return federation.Compile(b.Claims) }),
			narrow: sync.OnceValue(func() *access.Rights {
				if len(b.Scopes) == 0 {
					return nil
				}
				return access.NewRights(b.Robot.Name, b.Scopes)
			}),
		}
	}
	return k
}

// ready makes what was read ready, once for what says the same: reading it again
// is no change.
func (i *issuers) ready(f store.Federation) *known {
	var read *store.Issuer
	if len(f.Issuers) > 0 {
		read = &f.Issuers[0]
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if read == i.read {
		return i.latest
	}
	if digest := digestOf(f); digest != i.digest {
		i.latest, i.digest = readyToJudge(f), digest
	}
	i.read = read
	return i.latest
}

// digestOf distinguishes what tokens are judged by.
func digestOf(f store.Federation) (sum [sha256.Size]byte) {
	hash := sha256.New()
	number := func(n int64) {
		var text [8]byte
		binary.BigEndian.PutUint64(text[:], uint64(n))
		hash.Write(text[:])
	}
	for _, issuer := range f.Issuers {
		keys := f.Keys[issuer.ID]
		for _, n := range []int64{issuer.ID, issuer.Version, int64(len(keys.JWKS)), int64(len(keys.Source))} {
			number(n)
		}
		hash.Write(keys.JWKS)
		hash.Write([]byte(keys.Source))
	}
	number(-1)
	for _, binding := range f.Bindings {
		for _, n := range []int64{binding.ID, binding.Version, binding.IssuerID, binding.RobotID} {
			number(n)
		}
	}
	hash.Sum(sum[:0])
	return sum
}

// TrustOf makes issuers and bindings ready to judge tokens by.
func TrustOf(f store.Federation) *verifier.Trust {
	bindings := make([]federation.Binding, len(f.Bindings))
	for n, binding := range f.Bindings {
		bindings[n] = binding.Binding
	}
	return verifier.NewTrust(knownIssuers(f), bindings)
}

func knownIssuers(f store.Federation) []issuerkeys.Known {
	known := make([]issuerkeys.Known, len(f.Issuers))
	for n, issuer := range f.Issuers {
		keys := f.Keys[issuer.ID]
		known[n] = issuerkeys.Known{ID: issuer.ID, Issuer: issuer.Issuer, Keys: keys.Keys, AskedAt: keys.AskedAt, Away: !keys.AwaySince.IsZero()}
	}
	return known
}

func storedRefusals(refusals map[int64][]verifier.Refusal) map[int64][]store.IssuerRefusal {
	stored := make(map[int64][]store.IssuerRefusal, len(refusals))
	for id, all := range refusals {
		for _, r := range all {
			stored[id] = append(stored[id], store.IssuerRefusal{
				At: r.At, Username: r.Username, Service: r.Service, Address: r.Address, Client: r.Client, Binding: r.Binding, Reason: r.Detail,
			})
		}
	}
	return stored
}
