package verifier

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/clock"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/idtoken"
	"github.com/dockit-registry/dockit/internal/issuerkeys"
)

// AnyRobot is the user name of who does not say which robot: the one binding that
// holds does. No subject has it.
const AnyRobot = "_"

const (
	// remembered is how many tokens are remembered that were found good, and how
	// many that were refused.
	remembered = 10_000
	// refusedFor is how long a refused token is refused without being judged: a
	// client tries it again for every layer of an image.
	refusedFor = 10 * time.Second
)

// Request is who wants to come in.
type Request struct {
	// Token is what the issuer signed.
	Token string
	// Service is where to.
	Service string
	// Username is the name of a robot, or [AnyRobot].
	Username string
	// Address and Client are for the record: from where, and with what program.
	Address, Client string
}

// Login is the robot that a token stands for.
type Login struct {
	IssuerID int64
	Issuer   string
	// Binding is the one that let it in.
	Binding federation.Binding
	// Narrow is what the scopes of the binding leave of the robot's rights, nil
	// when it has none and leaves all.
	Narrow *access.Rights
	// Subject is the sub of the token.
	Subject string
	// Claims are those that conditions name, with what met them, and Kept is what has
	// to be known of them, and of those that are exposed, later on.
	Claims []Claim
	Kept   []federation.KeptClaim
	// Values are what placeholders in permissions stand for. They are not to be changed.
	Values access.Values
	// Job says to people which job or workload it is.
	Job []Claim
	// Until is when the token ends, leeway included.
	Until time.Time
}

// Claim is one of a token, as text.
type Claim struct{ Name, Value string }

// Options of a [Verifier]. Trust must be set.
type Options struct {
	// Trust is what counts at the moment.
	Trust func(context.Context) (*Trust, error)
	// Look asks an issuer for keys that are not known, as often as that is right,
	// and reports whether it answered. Default: no issuer is asked.
	Look func(context.Context, issuerkeys.Known) bool
	// Refused is told of each token of a known issuer that is refused. Default:
	// it is dropped.
	Refused func(Refusal)
	// Now is the time. Default: by the clock of this machine.
	Now func() time.Time
}

// Verifier judges tokens. It is safe for concurrent use.
type Verifier struct {
	options Options
	good    *lru.Cache[[sha256.Size]byte, good]
	bad     *lru.Cache[[sha256.Size]byte, bad]
}

// good is a token that was found good, for one service and one name.
type good struct {
	login      *Login
	generation uint64
}

// bad is a token that was refused.
type bad struct {
	why        *Refused
	generation uint64
	until      time.Time
}

// New makes a verifier.
func New(o Options) *Verifier {
	if o.Look == nil {
		o.Look = func(context.Context, issuerkeys.Known) bool { return false }
	}
	if o.Refused == nil {
		o.Refused = func(Refusal) {}
	}
	if o.Now == nil {
		o.Now = clock.Now
	}
	return &Verifier{options: o, good: newMemory[good](), bad: newMemory[bad]()}
}

func newMemory[V any]() *lru.Cache[[sha256.Size]byte, V] {
	memory, err := lru.New[[sha256.Size]byte, V](remembered)
	if err != nil {
		panic(err) // the size is positive
	}
	return memory
}

// With is a verifier that trusts what another function says, and shares everything
// else: what is remembered holds for what it was found by.
func (v *Verifier) With(trust func(context.Context) (*Trust, error)) *Verifier {
	other := *v
	other.options.Trust = trust
	return &other
}

// Recognizes reports whether a password is a token of a known issuer, and nothing
// else. One that was found good before is not read again.
func (v *Verifier) Recognizes(ctx context.Context, r Request) (bool, error) {
	if !idtoken.IsCompact(r.Token) {
		return false, nil
	}
	trust, err := v.options.Trust(ctx)
	if err != nil {
		return false, err
	}
	if known, ok := v.good.Peek(r.digest()); ok && known.generation == trust.generation {
		return true, nil
	}
	return trust.Recognizes(r.Token), nil
}

// Verify finds the robot that a token stands for. A token that was found good is
// remembered until it ends, or anything changes by which it was judged. The login
// is shared: do not change it. Errors: [*Refused], [ErrNotRecognized], and those of
// the options' Trust.
func (v *Verifier) Verify(ctx context.Context, r Request) (*Login, error) {
	trust, err := v.options.Trust(ctx)
	if err != nil {
		return nil, err
	}
	key, now := r.digest(), v.options.Now()
	if known, ok := v.good.Get(key); ok && known.generation == trust.generation && now.Before(known.login.Until) {
		return known.login, nil
	}
	login, trust, err := v.judgeOrRecall(ctx, trust, r, key, now)
	if err == nil {
		v.good.Add(key, good{login, trust.generation})
		return login, nil
	}
	v.good.Remove(key)
	if why, ok := errors.AsType[*Refused](err); ok {
		v.options.Refused(Refusal{At: now, Request: r.withoutToken(), Refused: why})
	}
	return nil, err
}

// judgeOrRecall judges a token, unless it was refused a moment ago.
func (v *Verifier) judgeOrRecall(ctx context.Context, trust *Trust, r Request, key [sha256.Size]byte, now time.Time) (*Login, *Trust, error) {
	if known, ok := v.bad.Get(key); ok && known.generation == trust.generation && now.Before(known.until) && known.until.Sub(now) <= refusedFor {
		return nil, trust, known.why
	}
	login, trust, err := v.judge(ctx, trust, r)
	// What time alone may mend is judged anew.
	if why, ok := errors.AsType[*Refused](err); ok && why.Reason != UnknownKey && why.Reason != NotYet {
		v.bad.Add(key, bad{why, trust.generation, now.Add(refusedFor)})
	}
	return login, trust, err
}

// Remembers reports whether a token was found good before, and nothing is to be
// computed for it.
func (v *Verifier) Remembers(ctx context.Context, r Request) bool {
	trust, err := v.options.Trust(ctx)
	if err != nil {
		return false
	}
	known, ok := v.good.Peek(r.digest())
	return ok && known.generation == trust.generation && v.options.Now().Before(known.login.Until)
}

// judge judges a token, and once more with the keys that the issuer has by now if
// its key is not known.
func (v *Verifier) judge(ctx context.Context, trust *Trust, r Request) (*Login, *Trust, error) {
	e, err := v.examine(trust, r)
	if err != nil {
		return nil, trust, err
	}
	if e.unknownKey() && v.look(ctx, e) {
		if trust, err = v.options.Trust(ctx); err != nil {
			return nil, trust, err
		}
		if e, err = v.examine(trust, r); err != nil {
			return nil, trust, err
		}
	}
	login, err := e.login()
	return login, trust, err
}

// look asks the issuers of a token for keys, and reports whether any answered.
func (v *Verifier) look(ctx context.Context, e *examination) bool {
	answered := false
	for _, i := range e.issuers {
		if v.options.Look(ctx, i.Known) {
			answered = true
		}
	}
	return answered
}

// digest is what a request is remembered by.
func (r Request) digest() (sum [sha256.Size]byte) {
	hash := sha256.New()
	for _, part := range []string{r.Service, r.Username, r.Token} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		hash.Write(length[:])
		hash.Write([]byte(part))
	}
	hash.Sum(sum[:0])
	return sum
}

func (r Request) withoutToken() Request {
	r.Token = ""
	return r
}
