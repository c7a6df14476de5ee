package verifier

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/federation"
)

const (
	// maxExplained is how many bindings are explained, those that come closest.
	maxExplained = 20
	// maxClaims is how many claims of a token are told.
	maxClaims = 200
)

// Explanation says of a token what holds and what does not.
type Explanation struct {
	// Issuers are the names of those that it may be of.
	Issuers []string
	// Algorithm and KeyID are how and with which key it says to be signed.
	Algorithm, KeyID string
	// Claims are all of the token by the names that conditions have for them, at
	// most 200.
	Claims []Claim
	// Problems are what is wrong with the token itself, whatever it says of who
	// it is.
	Problems []*Refused
	// Until is when it ends, leeway included; zero for a token with problems.
	Until time.Time
	// Bindings are those that come closest first, at most 20.
	Bindings []ExplainedBinding
	// Login is the robot that it stands for, or Refused why for none.
	Login   *Login
	Refused *Refused
}

// ExplainedBinding is how a token fares with a binding.
type ExplainedBinding struct {
	federation.Binding
	// Findings are those of its conditions, and Holds is set when all hold.
	Findings []federation.Finding
	Holds    bool
}

// Explain judges a token as [Verifier.Verify] does, goes on where that ends, and
// leaves no trace. Errors: [ErrNotRecognized], [*Refused] for a token that cannot be
// read, and those of the options' Trust.
func (v *Verifier) Explain(ctx context.Context, r Request) (Explanation, error) {
	trust, err := v.options.Trust(ctx)
	if err != nil {
		return Explanation{}, err
	}
	e, err := v.examine(trust, r)
	if err != nil {
		return Explanation{}, err
	}
	if e.unknownKey() && v.look(ctx, e) {
		if trust, err = v.options.Trust(ctx); err != nil {
			return Explanation{}, err
		}
		if e, err = v.examine(trust, r); err != nil {
			return Explanation{}, err
		}
	}
	return e.explain(), nil
}

func (e *examination) explain() Explanation {
	x := Explanation{Algorithm: e.token.Algorithm, KeyID: e.token.KeyID, Claims: flatten(nil, "", e.token.Claims)}
	for _, i := range e.issuers {
		x.Issuers = append(x.Issuers, i.Name)
	}
	signers, why := e.signers()
	if why != nil {
		x.Problems = append(x.Problems, why)
		signers = e.issuers
	}
	accepted, until, why := e.accepted(signers)
	if why != nil {
		x.Problems = append(x.Problems, why)
		accepted = signers
	} else if len(x.Problems) == 0 {
		x.Until = until
	}
	all := e.everyFit(accepted)
	slices.SortStableFunc(all, func(a, b fit) int { return a.missed - b.missed })
	for _, f := range all[:min(len(all), maxExplained)] {
		x.Bindings = append(x.Bindings, ExplainedBinding{f.binding.Binding, f.findings(e.token), f.holds()})
	}
	login, err := e.login()
	if err != nil {
		errors.As(err, &x.Refused)
	}
	x.Login = login
	return x
}

// everyFit compares the token with every binding that may be meant.
func (e *examination) everyFit(issuers []*issuer) []fit {
	var all []fit
	view := federation.NewView(e.token.Claims)
	for _, i := range issuers {
		for _, b := range i.bindingsOf(e.request.Username) {
			all = append(all, fit{i, b, b.conditions.Missed(view, federation.MaxConditions)})
		}
	}
	return all
}

// flatten names claims as conditions do, in order.
func flatten(all []Claim, prefix string, claims map[string]any) []Claim {
	names := make([]string, 0, len(claims))
	for name := range claims {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if len(all) >= maxClaims {
			return all
		}
		if nested, ok := claims[name].(map[string]any); ok && !strings.Contains(name, "/") {
			all = flatten(all, prefix+name+"/", nested)
			continue
		}
		if prefix != "" && strings.Contains(name, "/") {
			continue // no condition reaches it
		}
		all = append(all, Claim{prefix + name, federation.Claims(claims).Text(name)})
	}
	return all
}
