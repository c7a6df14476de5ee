package idtoken

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/printable"
)

// Leeway is how wrong the clocks of an issuer and of this machine may be.
const Leeway = 60 * time.Second

// maxAudiences is how many audiences a token may have.
const maxAudiences = 32

var (
	// ErrIssuer is returned for a token of another issuer.
	ErrIssuer = errors.New("token is of another issuer")
	// ErrAudience is returned for a token that is meant for others, or for others
	// as well.
	ErrAudience = errors.New("token is for another audience")
	// ErrExpired is returned for a token whose time is over.
	ErrExpired = errors.New("token has expired")
	// ErrNotYet is returned for a token whose time has not come.
	ErrNotYet = errors.New("token is not valid yet")
	// ErrTooOld is returned for a token that was issued too long ago.
	ErrTooOld = errors.New("token is too old")
	// ErrMissing is returned for a token without a claim that it must have.
	ErrMissing = errors.New("token lacks a claim")
)

// Expected is what a token must be like.
type Expected struct {
	// Issuer is its iss, to the byte.
	Issuer string
	// Audiences are what each value of its aud has to be one of.
	Audiences []string
	// Now is the time by which it is judged.
	Now time.Time
	// MaxAge is how long ago it may have been issued.
	MaxAge time.Duration
}

// Check compares what the token says with what is expected. It returns until when
// the token is good, leeway included. Errors: [ErrIssuer], [ErrAudience],
// [ErrExpired], [ErrNotYet], [ErrTooOld], [ErrMissing], [ErrMalformed].
func (t *Token) Check(e Expected) (time.Time, error) {
	if issuer, ok := t.Claims["iss"].(string); !ok || issuer != e.Issuer {
		return time.Time{}, fmt.Errorf("%w: its iss is %q, not %q", ErrIssuer, printable.Clip(printable.Line(t.Text("iss"))), e.Issuer)
	}
	if err := t.checkAudience(e.Audiences); err != nil {
		return time.Time{}, err
	}
	return t.checkTimes(e)
}

func (t *Token) checkAudience(expected []string) error {
	audiences, err := t.audiences()
	if err != nil {
		return err
	}
	for _, audience := range audiences {
		if !slices.Contains(expected, audience) {
			return fmt.Errorf("%w: its aud has %q; ask for a token with %s alone", ErrAudience, printable.Clip(printable.Line(audience)), quotedList(expected))
		}
	}
	return nil
}

func (t *Token) audiences() ([]string, error) {
	switch aud := t.Claims["aud"].(type) {
	case string:
		return []string{aud}, nil
	case []any:
		if len(aud) == 0 {
			return nil, fmt.Errorf("%w: aud is empty", ErrMissing)
		}
		if len(aud) > maxAudiences {
			return nil, fmt.Errorf("%w: its aud has %d values, at most %d are read", ErrMalformed, len(aud), maxAudiences)
		}
		all := make([]string, len(aud))
		for i, one := range aud {
			text, ok := one.(string)
			if !ok {
				return nil, fmt.Errorf("%w: its aud holds what is no text", ErrMalformed)
			}
			all[i] = text
		}
		return all, nil
	case nil:
		return nil, fmt.Errorf("%w: it has no aud, and may be meant for anybody", ErrMissing)
	default:
		return nil, fmt.Errorf("%w: its aud is no text", ErrMalformed)
	}
}

// quotedList names some texts: "a", "b" or "c".
func quotedList(all []string) string {
	quoted := make([]string, len(all))
	for i, one := range all {
		quoted[i] = strconv.Quote(one)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

func (t *Token) checkTimes(e Expected) (time.Time, error) {
	expires, present, err := t.date("exp")
	if err != nil {
		return time.Time{}, err
	}
	if !present {
		return time.Time{}, fmt.Errorf("%w: it has no exp, and would be good for ever", ErrMissing)
	}
	issued, present, err := t.date("iat")
	if err != nil {
		return time.Time{}, err
	}
	if !present {
		return time.Time{}, fmt.Errorf("%w: it has no iat, and nobody knows how old it is", ErrMissing)
	}
	starts, present, err := t.date("nbf")
	if err != nil {
		return time.Time{}, err
	}
	switch {
	case !e.Now.Before(expires.Add(Leeway)):
		return time.Time{}, fmt.Errorf("%w: its time was over at %s, and it is %s here; ask for a fresh one", ErrExpired, clockTime(expires), clockTime(e.Now))
	case present && e.Now.Add(Leeway).Before(starts):
		return time.Time{}, fmt.Errorf("%w: its time comes at %s, and it is %s here; compare the clocks", ErrNotYet, clockTime(starts), clockTime(e.Now))
	case e.Now.Add(Leeway).Before(issued):
		return time.Time{}, fmt.Errorf("%w: it was issued at %s, and it is %s here; compare the clocks", ErrNotYet, clockTime(issued), clockTime(e.Now))
	case e.Now.Sub(issued) > e.MaxAge+Leeway:
		return time.Time{}, fmt.Errorf("%w: it was issued at %s, longer than %s ago; ask for a fresh one", ErrTooOld, clockTime(issued), e.MaxAge)
	}
	until := expires.Add(Leeway)
	if oldest := issued.Add(e.MaxAge + Leeway); oldest.Before(until) {
		until = oldest
	}
	return until, nil
}

func clockTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// maxDate is the last second that a date may be: of the year 9999.
const maxDate = 253402300799

// date reads seconds since 1970, with or without a fraction.
func (t *Token) date(name string) (time.Time, bool, error) {
	claim, present := t.Claims[name]
	if !present {
		return time.Time{}, false, nil
	}
	number, ok := claim.(json.Number)
	seconds, err := number.Float64()
	if !ok || err != nil || seconds < 0 || seconds > maxDate {
		return time.Time{}, false, fmt.Errorf("%w: its %s is no number of seconds since 1970", ErrMalformed, name)
	}
	return time.Unix(int64(seconds), 0).UTC(), true, nil
}
