// Package registrytoken reads registry tokens of any origin, and checks them against
// what a Dockit publishes.
package registrytoken

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/dockit-registry/dockit/internal/token"
)

// MaxSize is the largest input that a token is looked for in, in bytes.
const MaxSize = 256 << 10

// algorithms are those that a registry takes.
var algorithms = []jose.SignatureAlgorithm{
	jose.ES256, jose.ES384, jose.ES512, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.EdDSA,
}

// Token is one that was read, and not yet checked.
type Token struct {
	Signed *jose.JSONWebSignature
	Claims Claims
}

// Claims are the payload of a token of any origin. Dates are seconds of Unix time.
type Claims struct {
	Issuer    string         `json:"iss"`
	Subject   string         `json:"sub"`
	Audience  Audience       `json:"aud"`
	ExpiresAt float64        `json:"exp"`
	NotBefore float64        `json:"nbf"`
	IssuedAt  float64        `json:"iat"`
	Access    []token.Access `json:"access"`
}

// Audience is one service or several.
type Audience []string

// UnmarshalJSON implements [json.Unmarshaler].
func (a *Audience) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*a = Audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// Parse reads a token, without looking at who signed it.
func Parse(raw string) (*Token, error) {
	signed, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil {
		return nil, fmt.Errorf("that is not a signed token: %w", err)
	}
	t := &Token{Signed: signed}
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &t.Claims); err != nil {
		return nil, fmt.Errorf("that is not a registry token: %w", err)
	}
	return t, nil
}

// Service is the first of those that the token is for; empty when it names none.
func (t *Token) Service() string {
	if len(t.Claims.Audience) == 0 {
		return ""
	}
	return t.Claims.Audience[0]
}

// Header is what stands before the claims; the one of the first signature.
func (t *Token) Header() jose.Header { return t.Signed.Signatures[0].Header }

// Find finds the token in what was pasted: alone, behind Bearer, or in the answer of
// a token endpoint.
func Find(input string) (string, error) {
	input = strings.TrimSpace(input)
	if len(input) > MaxSize {
		return "", fmt.Errorf("standard input holds more than %d bytes: that is no token", MaxSize)
	}
	if strings.HasPrefix(input, "{") {
		var body struct {
			Token       string `json:"token"`
			AccessToken string `json:"access_token"`
		}
		if err := json.Unmarshal([]byte(input), &body); err != nil {
			return "", fmt.Errorf("standard input is no answer of a token endpoint: %w", err)
		}
		if input = body.Token; input == "" {
			input = body.AccessToken
		}
	}
	if scheme, rest, ok := strings.Cut(input, " "); ok && strings.EqualFold(scheme, "Bearer") {
		input = strings.TrimSpace(rest)
	}
	if input == "" {
		return "", errors.New("standard input holds no token")
	}
	return input, nil
}
