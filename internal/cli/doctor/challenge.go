package doctor

import (
	"errors"
	"strings"
)

// challenge is how a registry says where its tokens come from.
type challenge struct {
	realm, service string
	// problem is what the registry found wrong with the token that it got.
	problem string
}

var (
	errNoChallenge    = errors.New("it refuses without saying how to log in (no WWW-Authenticate header)")
	errOtherChallenge = errors.New("it does not ask for tokens: set REGISTRY_AUTH=token at the registry")
)

// parseChallenge reads the value of a WWW-Authenticate header.
func parseChallenge(header string) (challenge, error) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if scheme == "" {
		return challenge{}, errNoChallenge
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return challenge{}, errOtherChallenge
	}
	var c challenge
	for name, value := range parameters(rest) {
		switch strings.ToLower(name) {
		case "realm":
			c.realm = value
		case "service":
			c.service = value
		case "error":
			c.problem = value
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
