// Package challenge reads how a registry says where its tokens come from: its
// WWW-Authenticate header (RFC 9110 section 11.6.1, and the distribution project's
// specification of token authentication).
package challenge

import (
	"errors"
	"net/http"
	"strings"
)

// Challenge is what a registry asks for.
type Challenge struct {
	Realm, Service string
	// Problem is what the registry found wrong with the token that it got.
	Problem string
}

var (
	// ErrMissing is returned for a header that is empty.
	ErrMissing = errors.New("it refuses without saying how to log in (no WWW-Authenticate header)")
	// ErrOther is returned for a registry that wants something else than tokens.
	ErrOther = errors.New("it does not ask for tokens: set REGISTRY_AUTH=token at the registry")
)

// Of reads the challenge of an answer, of several the first that asks for tokens.
// Errors: those of [Parse].
func Of(header http.Header) (Challenge, error) {
	values := header.Values("WWW-Authenticate")
	for _, value := range values {
		if c, err := Parse(value); err == nil {
			return c, nil
		}
	}
	return Parse(strings.Join(values, ""))
}

// Parse reads the value of a WWW-Authenticate header. Errors: [ErrMissing],
// [ErrOther].
func Parse(header string) (Challenge, error) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if scheme == "" {
		return Challenge{}, ErrMissing
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return Challenge{}, ErrOther
	}
	var c Challenge
	for name, value := range parameters(rest) {
		switch strings.ToLower(name) {
		case "realm":
			c.Realm = value
		case "service":
			c.Service = value
		case "error":
			c.Problem = value
		}
	}
	return c, nil
}

// parameters yields name="value" pairs separated by commas, some of which may
// stand in quotes.
func parameters(s string) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		for s = strings.TrimLeft(s, " ,"); s != ""; s = strings.TrimLeft(s, " ,") {
			name, rest, found := strings.Cut(s, "=")
			if !found {
				return
			}
			var value string
			if quoted, ok := strings.CutPrefix(rest, `"`); ok {
				value, s = unquote(quoted)
			} else {
				value, s, _ = strings.Cut(rest, ",")
			}
			if !yield(strings.TrimSpace(name), strings.TrimSpace(value)) {
				return
			}
		}
	}
}

// unquote reads up to the closing quote and returns what stands behind it.
func unquote(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}
