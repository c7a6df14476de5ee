package verifier

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/idtoken"
	"github.com/dockit-registry/dockit/internal/issuerkeys"
	"github.com/dockit-registry/dockit/internal/jwkset"
)

// Trust is everything by which tokens are judged at one moment. It never changes.
type Trust struct {
	// generation is another for each.
	generation uint64
	// issuers are those with the same iss, by it.
	issuers map[string][]*issuer
}

// issuer is one with its bindings, by their names.
type issuer struct {
	issuerkeys.Known
	bindings []*binding
	// robots are the bindings of each, by its name.
	robots map[string][]*binding
	keys   func() jwkset.Set
}

// binding is one with its conditions made ready.
type binding struct {
	federation.Binding
	conditions federation.Compiled
	// narrow is what the scopes allow, nil without any.
	narrow func() *access.Rights
}

func newBinding(b federation.Binding) *binding {
	narrow := func() *access.Rights { return nil }
	if len(b.Scopes) > 0 {
		narrow = sync.OnceValue(func() *access.Rights { return access.NewRights(b.Robot.Name, b.Scopes) })
	}
	return &binding{Binding: b, conditions: federation.Compile(b.Claims), narrow: narrow}
}

var generations atomic.Uint64

// NewTrust makes issuers and bindings ready. Bindings to issuers that are not there
// are left out.
func NewTrust(issuers []issuerkeys.Known, bindings []federation.Binding) *Trust {
	t := &Trust{generation: generations.Add(1), issuers: make(map[string][]*issuer)}
	byName := make(map[string]*issuer, len(issuers))
	for _, known := range issuers {
		i := &issuer{Known: known, robots: make(map[string][]*binding), keys: sync.OnceValue(func() jwkset.Set { return keysOf(known) })}
		byName[known.Name] = i
		t.issuers[known.URL] = append(t.issuers[known.URL], i)
	}
	for _, b := range bindings {
		if i := byName[b.Issuer]; i != nil {
			i.bindings = append(i.bindings, newBinding(b))
		}
	}
	for _, same := range t.issuers {
		slices.SortFunc(same, func(a, b *issuer) int { return cmp.Compare(a.Name, b.Name) })
		for _, i := range same {
			slices.SortFunc(i.bindings, func(a, b *binding) int { return cmp.Compare(a.Name, b.Name) })
			for _, b := range i.bindings {
				i.robots[b.Robot.Name] = append(i.robots[b.Robot.Name], b)
			}
		}
	}
	return t
}

// keysOf are the keys that count for an issuer: those it was given with, or those
// that were fetched as it says that they are to be.
func keysOf(known issuerkeys.Known) jwkset.Set {
	document := []byte(known.JWKS)
	if known.JWKS == "" && known.Keys.Source == known.KeySource() {
		document = known.Keys.JWKS
	}
	if len(document) == 0 {
		return jwkset.Set{}
	}
	set, err := jwkset.Parse(document)
	if err != nil {
		return jwkset.Set{} // what was no set was not kept
	}
	return set
}

// Recognizes reports whether a password is a token that says to be of one of the
// issuers: it is then nothing else, whether it is good or not.
func (t *Trust) Recognizes(password string) bool {
	if len(t.issuers) == 0 || !idtoken.IsCompact(password) {
		return false
	}
	return len(t.issuers[idtoken.Issuer(password)]) > 0
}

// bindingsOf are the bindings of an issuer for who logs in by a name, which may be
// [AnyRobot].
func (i *issuer) bindingsOf(username string) []*binding {
	if username == AnyRobot {
		return i.bindings
	}
	return i.robots[username]
}

// audiences are those that a token for a service may have.
func (i *issuer) audiences(service string) []string {
	if len(i.Audiences) > 0 {
		return i.Audiences
	}
	return []string{service, "https://" + service}
}
