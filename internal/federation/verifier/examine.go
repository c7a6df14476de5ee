package verifier

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/idtoken"
	"github.com/dockit-registry/dockit/internal/jwkset"
	"github.com/dockit-registry/dockit/internal/printable"
)

// maxNameless is how many keys are tried for a token that names none.
const maxNameless = 8

// examination is a token being judged.
type examination struct {
	request Request
	now     time.Time
	token   *idtoken.Token
	// issuers are those that the token may be of: two clusters may have the same
	// iss. There is at least one.
	issuers []*issuer
}

// examine reads a token and finds whose it may be. Errors: [*Refused],
// [ErrNotRecognized].
func (v *Verifier) examine(trust *Trust, r Request) (*examination, error) {
	e := &examination{request: r, now: v.options.Now()}
	same := trust.issuers[idtoken.Issuer(r.Token)]
	if len(same) == 0 {
		return nil, ErrNotRecognized
	}
	token, err := idtoken.Parse(r.Token)
	if err != nil {
		return nil, refused(same[0], err, false)
	}
	e.token = token
	for _, i := range same {
		if !i.Disabled {
			e.issuers = append(e.issuers, i)
		}
	}
	if len(e.issuers) == 0 {
		return nil, &Refused{
			Reason: IssuerDisabled, IssuerID: same[0].ID, Issuer: same[0].Name, Detail: "the issuer is disabled",
			Sentence: "tokens of the issuer " + same[0].URL + " are not taken at the moment: ask who runs this Dockit",
		}
	}
	// Of several, those that the robot is bound to.
	bound := slices.DeleteFunc(slices.Clone(e.issuers), func(i *issuer) bool { return len(i.bindingsOf(r.Username)) == 0 })
	if len(bound) > 0 {
		e.issuers = bound
	}
	return e, nil
}

// unknownKey reports whether the token names a key that none of its issuers is
// known to have.
func (e *examination) unknownKey() bool {
	return !slices.ContainsFunc(e.issuers, func(i *issuer) bool {
		if e.token.KeyID == "" {
			return len(i.keys().Keys) > 0
		}
		return i.keys().Has(e.token.KeyID)
	})
}

// signers are the issuers that made the signature: the same key may be given for
// two.
func (e *examination) signers() ([]*issuer, *Refused) {
	if e.unknownKey() {
		i := e.issuers[0]
		id := strconv.Quote(printable.Clip(printable.Line(e.token.KeyID)))
		return nil, &Refused{
			Reason: UnknownKey, IssuerID: i.ID, Issuer: i.Name, Detail: "the key " + id + " is not among those that the issuer published last",
			Sentence: "the token of the issuer " + i.URL + " is refused: its key " + id + " is not known here; a key that is new is known within a minute or two, so try again then",
		}
	}
	var made []*issuer
	why := fmt.Errorf("%w: the issuer has no key for %s by that kid", idtoken.ErrSignature, e.token.Algorithm)
	for _, i := range e.issuers {
		keys := i.keys().With(e.token.KeyID, e.token.Algorithm)
		if e.token.KeyID == "" && len(keys) > maxNameless {
			why = fmt.Errorf("%w: it names no key, and the issuer has %d", idtoken.ErrSignature, len(keys))
			continue
		}
		if slices.ContainsFunc(keys, func(k jwkset.Key) bool {
			err := e.token.CheckSignature(k)
			if err != nil {
				why = err
			}
			return err == nil
		}) {
			made = append(made, i)
		}
	}
	if len(made) == 0 {
		return nil, refused(e.issuers[0], why, false)
	}
	return made, nil
}

// accepted are those of the issuers for which the token is good here and now, and
// until when.
func (e *examination) accepted(signers []*issuer) (accepted []*issuer, until time.Time, why *Refused) {
	for _, i := range signers {
		end, err := e.token.Check(idtoken.Expected{Issuer: i.URL, Audiences: i.audiences(e.request.Service), Now: e.now, MaxAge: i.LongestAge()})
		if err == nil {
			err = i.Kind.CheckClaims(e.token.Claims)
		}
		if err != nil {
			if why == nil {
				why = refused(i, err, true)
			}
			continue
		}
		if until.IsZero() || end.Before(until) {
			until = end
		}
		accepted = append(accepted, i)
	}
	if len(accepted) > 0 {
		return accepted, until, nil
	}
	return nil, time.Time{}, why
}

// fit is how a token fares with a binding.
type fit struct {
	issuer  *issuer
	binding *binding
	// missed is how many of its conditions do not hold.
	missed int
}

func (f fit) holds() bool { return f.missed == 0 && len(f.binding.Claims) > 0 }

func (f fit) findings(t *idtoken.Token) []federation.Finding {
	findings, _ := federation.Match(f.binding.Claims, t.Claims)
	return findings
}

// fits compares the token with every binding of the issuers that may be meant. It
// returns those that hold, and the one that comes closest.
func (e *examination) fits(issuers []*issuer) (holding []fit, closest *fit) {
	view := federation.NewView(e.token.Claims)
	for _, i := range issuers {
		for _, b := range i.bindingsOf(e.request.Username) {
			most := federation.MaxConditions
			if closest != nil {
				most = max(closest.missed, 1)
			}
			f := fit{i, b, b.conditions.Missed(view, most)}
			if f.holds() && !b.Disabled {
				holding = append(holding, f)
			}
			if closest == nil || f.missed < closest.missed {
				closest = &f
			}
		}
	}
	return holding, closest
}

// login finds the robot.
func (e *examination) login() (*Login, error) {
	signers, why := e.signers()
	if why != nil {
		return nil, why
	}
	accepted, until, why := e.accepted(signers)
	if why != nil {
		return nil, why
	}
	chosen, why := e.choose(accepted)
	if why != nil {
		return nil, why
	}
	l := &Login{
		IssuerID: chosen.issuer.ID, Issuer: chosen.issuer.Name, Binding: chosen.binding.Binding, Narrow: chosen.binding.narrow(),
		Subject: printable.Clip(printable.Line(e.token.Text("sub"))), Until: until,
		Kept: chosen.binding.Keep(e.token.Claims),
	}
	l.Values = l.Binding.Values(federation.ClaimsOf(l.Kept))
	for _, finding := range chosen.findings(e.token) {
		l.Claims = append(l.Claims, Claim{finding.Name, finding.Value})
	}
	for _, name := range chosen.issuer.Kind.JobClaims() {
		if text := federation.Claims(e.token.Claims).Text(name); text != "" {
			l.Job = append(l.Job, Claim{name, text})
		}
	}
	return l, nil
}

// choose takes the one binding that holds. Who names a robot to which several
// bindings hold gets the one that allows most: one without scopes, then the first
// by name.
func (e *examination) choose(issuers []*issuer) (fit, *Refused) {
	holding, closest := e.fits(issuers)
	switch {
	case len(holding) == 0:
		return fit{}, e.noFit(issuers[0], closest)
	case len(holding) > 1 && e.request.Username == AnyRobot:
		return fit{}, e.ambiguous(holding)
	}
	if at := slices.IndexFunc(holding, func(f fit) bool { return len(f.binding.Scopes) == 0 }); at >= 0 {
		return holding[at], nil
	}
	return holding[0], nil
}

// ambiguous refuses to choose between robots.
func (e *examination) ambiguous(holding []fit) *Refused {
	first := holding[0]
	names := make([]string, len(holding))
	for n, f := range holding {
		names[n] = f.binding.Name + " (" + f.binding.Robot.String() + ")"
	}
	text := "the token meets more than one binding, " + strings.Join(names[:min(len(names), 5)], " and ")
	return &Refused{
		Reason: Ambiguous, IssuerID: first.issuer.ID, Issuer: first.issuer.Name, Binding: first.binding.Name, Signed: true,
		Detail: text, Sentence: text + ": log in by the name of the robot that is meant",
	}
}

// noFit says why no binding holds, by the one that came closest.
func (e *examination) noFit(i *issuer, closest *fit) *Refused {
	who := "the robot " + strconv.Quote(printable.Clip(printable.Line(e.request.Username)))
	if e.request.Username == AnyRobot {
		who = "any robot"
	}
	r := &Refused{Reason: NoBinding, IssuerID: i.ID, Issuer: i.Name, Signed: true}
	if closest == nil {
		r.Detail = "no binding of the issuer is for " + who
		r.Sentence = "the token is right, but no token of the issuer " + i.URL + " stands for " + who + " here: check the user name, or ask who runs this Dockit for a binding"
		return r
	}
	r.IssuerID, r.Issuer, r.Binding = closest.issuer.ID, closest.issuer.Name, closest.binding.Name
	if closest.holds() {
		r.Reason, r.Detail = BindingDisabled, "the binding is disabled"
		r.Sentence = "the token is right, but logging in as " + who + " with it is not taken at the moment: ask who runs this Dockit"
		return r
	}
	r.Reason = Conditions
	var wanted, had []string
	for _, f := range closest.findings(e.token) {
		if f.Holds {
			continue
		}
		got := "is missing"
		if f.Present {
			got = "is " + strconv.Quote(f.Got)
		}
		wanted = append(wanted, f.Name+" "+got+", wanted is "+printable.ClipTo(strings.Join(f.Want, " or "), 256))
		had = append(had, f.Name+" "+got)
	}
	r.Detail = strings.Join(wanted, "; ")
	r.Sentence = "the token is right, but does not stand for " + who + " here: its " + strings.Join(had, ", its ") +
		"; if that is as it should be, ask who runs this Dockit (rbac issuer show " + closest.issuer.Name + ")"
	return r
}
