package idtoken

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/dockit-registry/dockit/internal/jwkset"
	"github.com/dockit-registry/dockit/internal/printable"
)

const (
	// MaxSize is the largest token, in bytes.
	MaxSize = 24_576
	// maxHeader is the largest header, in bytes of its text.
	maxHeader = 4096
	// maxKeyID is the longest kid, in bytes.
	maxKeyID = 512
)

var (
	// ErrMalformed is returned for what is no token that is read.
	ErrMalformed = errors.New("malformed token")
	// ErrTooLarge is returned for a token of more than [MaxSize] bytes.
	ErrTooLarge = errors.New("token is too large")
	// ErrAlgorithm is returned for a token signed in a way that is not taken.
	ErrAlgorithm = errors.New("algorithm of the token is not taken")
	// ErrSignature is returned when no key made the signature.
	ErrSignature = errors.New("signature of the token is wrong")
)

// methods are how a token may be signed: never in a way for which the public key
// would do.
var methods = map[string]jwt.SigningMethod{
	"RS256": jwt.SigningMethodRS256, "RS384": jwt.SigningMethodRS384, "RS512": jwt.SigningMethodRS512,
	"PS256": jwt.SigningMethodPS256, "PS384": jwt.SigningMethodPS384, "PS512": jwt.SigningMethodPS512,
	"ES256": jwt.SigningMethodES256, "ES384": jwt.SigningMethodES384, "ES512": jwt.SigningMethodES512,
	"EdDSA": jwt.SigningMethodEdDSA,
}

// types are what a token may say of itself that it is. Other tokens of an issuer,
// such as those of a logout, say who a client is as well.
var types = []string{"", "jwt", "jose", "at+jwt", "id_token+jwt"}

// Token is a token whose signature is not yet checked.
type Token struct {
	// Algorithm is one of those that are taken.
	Algorithm string
	// KeyID is the kid, or empty.
	KeyID string
	// Claims are all that it says; see [Parse] for their types.
	Claims map[string]any

	signed    string
	signature []byte
}

// IsCompact reports whether a text has the form of a JWT, signed or not: it may be a
// token, and is no password that a user chose.
func IsCompact(s string) bool {
	header, rest, found := strings.Cut(s, ".")
	payload, signature, more := strings.Cut(rest, ".")
	return found && more && strings.HasPrefix(header, "ey") && isBase64URL(header) && isBase64URL(payload) && (signature == "" || isBase64URL(signature))
}

func isBase64URL(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != ""
}

// maxPeek is the largest token of which the issuer is looked for, in bytes.
const maxPeek = 4 * MaxSize

// Issuer is the iss that a token claims, or empty. Nothing is checked, and also of
// a token that [Parse] refuses it may be found: to tell who is to be asked.
func Issuer(raw string) string {
	if len(raw) > maxPeek || !IsCompact(raw) {
		return ""
	}
	document, err := decode(strings.Split(raw, ".")[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(document, &claims) != nil {
		return ""
	}
	return claims.Issuer
}

// Parse reads a token. Of its claims, texts are string, truth values bool, numbers
// [json.Number], lists []any and nested claims map[string]any. Errors:
// [ErrMalformed], [ErrTooLarge], [ErrAlgorithm].
func Parse(raw string) (*Token, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("%w: it is %d bytes long, at most %d are taken", ErrTooLarge, len(raw), MaxSize)
	}
	if !IsCompact(raw) {
		return nil, fmt.Errorf("%w: it is not three parts of base64url between dots", ErrMalformed)
	}
	parts := strings.Split(raw, ".")
	if len(parts[0]) > maxHeader {
		return nil, fmt.Errorf("%w: its header is %d bytes long, at most %d are taken", ErrMalformed, len(parts[0]), maxHeader)
	}
	var objects [2]map[string]any
	for i, what := range []string{"header", "payload"} {
		document, err := decode(parts[i])
		if err == nil {
			objects[i], err = parseObject(document)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: its %s cannot be read: %w", ErrMalformed, what, err)
		}
	}
	signature, err := decode(parts[2])
	if err != nil {
		return nil, fmt.Errorf("%w: its signature cannot be read: %w", ErrMalformed, err)
	}
	t := &Token{Claims: objects[1], signed: parts[0] + "." + parts[1], signature: signature}
	return t, t.readHeader(objects[0])
}

func decode(part string) ([]byte, error) { return base64.RawURLEncoding.Strict().DecodeString(part) }

func (t *Token) readHeader(header map[string]any) error {
	algorithm, ok := header["alg"].(string)
	if !ok {
		return fmt.Errorf("%w: its header has no alg", ErrMalformed)
	}
	if _, taken := methods[algorithm]; !taken {
		return fmt.Errorf("%w: it is %q; RS, PS and ES with 256, 384 and 512, and EdDSA are", ErrAlgorithm, printable.Clip(printable.Line(algorithm)))
	}
	t.Algorithm = algorithm
	if id, present := header["kid"]; present {
		if t.KeyID, ok = id.(string); !ok || len(t.KeyID) > maxKeyID {
			return fmt.Errorf("%w: its kid is no text of at most %d bytes", ErrMalformed, maxKeyID)
		}
	}
	if _, present := header["crit"]; present {
		return fmt.Errorf("%w: its header asks for extensions (crit), and none are known", ErrMalformed)
	}
	kind, ok := header["typ"].(string)
	if _, present := header["typ"]; present && !ok || !slices.Contains(types, strings.TrimPrefix(strings.ToLower(kind), "application/")) {
		return fmt.Errorf("%w: it is of the type %q, which says nobody's identity", ErrMalformed, printable.Clip(printable.Line(kind)))
	}
	return nil
}

// CheckSignature reports whether a key made the signature: nil or [ErrSignature].
func (t *Token) CheckSignature(key jwkset.Key) error {
	if !key.Checks(t.Algorithm) {
		return fmt.Errorf("%w: the key is none for %s", ErrSignature, t.Algorithm)
	}
	if err := methods[t.Algorithm].Verify(t.signed, t.signature, key.Public); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}

// Text is a claim that is a text, or empty.
func (t *Token) Text(name string) string {
	text, _ := t.Claims[name].(string)
	return text
}
