package verifier

import (
	"errors"
	"time"

	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/idtoken"
)

// Reason is why a token was refused, in one word for metrics and programs.
type Reason string

// Reasons, in the order in which a token is judged.
const (
	TooLarge        Reason = "too_large"
	Malformed       Reason = "malformed"
	WrongAlgorithm  Reason = "algorithm"
	IssuerDisabled  Reason = "issuer_disabled"
	UnknownKey      Reason = "unknown_key"
	WrongSignature  Reason = "signature"
	WrongAudience   Reason = "audience"
	Expired         Reason = "expired"
	NotYet          Reason = "not_yet_valid"
	TooOld          Reason = "too_old"
	MissingClaim    Reason = "missing_claim"
	OtherToken      Reason = "other_token"
	NoBinding       Reason = "no_binding"
	Conditions      Reason = "conditions"
	BindingDisabled Reason = "binding_disabled"
	Ambiguous       Reason = "ambiguous"
	// RobotDisabled is for who asks whether the robot may log in at all.
	RobotDisabled Reason = "robot_disabled"
)

// ErrNotRecognized is returned for what is no token of a known issuer.
var ErrNotRecognized = errors.New("no token of an issuer that is known here")

// Refused is the error for a token of an issuer that stands for no robot.
type Refused struct {
	Reason Reason
	// IssuerID and Issuer are those by whose iss it came.
	IssuerID int64
	Issuer   string
	// Binding is the one that came closest, or empty.
	Binding string
	// Sentence is for the client: what is wrong and what to do. It names nothing
	// that the token does not name itself.
	Sentence string
	// Detail is for who runs Dockit: what was wanted as well. It never has the
	// token.
	Detail string
	// Signed is set when the issuer did sign the token.
	Signed bool
}

// Error is the sentence for the client.
func (r *Refused) Error() string { return r.Sentence }

// Refusal is a refused token for the record.
type Refusal struct {
	At time.Time
	Request
	*Refused
}

// reasons are those of the errors of the packages below.
var reasons = []struct {
	err    error
	reason Reason
}{
	{idtoken.ErrTooLarge, TooLarge},
	{idtoken.ErrMalformed, Malformed},
	{idtoken.ErrAlgorithm, WrongAlgorithm},
	{idtoken.ErrSignature, WrongSignature},
	{idtoken.ErrAudience, WrongAudience},
	{idtoken.ErrExpired, Expired},
	{idtoken.ErrNotYet, NotYet},
	{idtoken.ErrTooOld, TooOld},
	{idtoken.ErrMissing, MissingClaim},
	{federation.ErrClaims, OtherToken},
}

func reasonOf(err error) Reason {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return Malformed
}

// refused makes the refusal of an error whose text may be told to the client.
func refused(i *issuer, err error, signed bool) *Refused {
	text := "the token of the issuer " + i.URL + " is refused: " + err.Error()
	return &Refused{Reason: reasonOf(err), IssuerID: i.ID, Issuer: i.Name, Sentence: text, Detail: err.Error(), Signed: signed}
}
