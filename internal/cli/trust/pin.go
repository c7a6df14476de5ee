package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/pki"
)

// pins are what an operator expects to get: the SHA-256 of the whole content,
// or of every certificate in it, or the thumbprint of every key.
type pins []string

// errNotPinned is returned for content that holds something unexpected.
var errNotPinned = errors.New("the server's answer does not have the fingerprint that was asked for")

// parsePins reads fingerprints as this command, openssl and sha256sum write
// them: hexadecimal with or without colons, and "sha256:" in front if you like.
func parsePins(values []string) (pins, error) {
	var parsed pins
	for _, value := range values {
		pin := strings.TrimSpace(value)
		if prefix := "sha256:"; len(pin) > len(prefix) && strings.EqualFold(pin[:len(prefix)], prefix) {
			pin = pin[len(prefix):]
		}
		if colonless := strings.ToLower(strings.ReplaceAll(pin, ":", "")); isSHA256(colonless) {
			pin = colonless
		} else if len(pin) != 43 {
			return nil, fmt.Errorf("fingerprint %q: write 64 hexadecimal digits, or the kid of a key", printable.Clip(value))
		}
		parsed = append(parsed, pin)
	}
	return parsed, nil
}

func isSHA256(s string) bool {
	decoded, err := hex.DecodeString(s)
	return err == nil && len(decoded) == sha256.Size
}

// Check takes content that is pinned as a whole, or part by part. One part
// that is not expected is enough to refuse it: a registry would trust that one.
func (p pins) check(content []byte, format Format) error {
	whole := contentFingerprint(content)
	if len(p) == 0 || slices.Contains(p, whole) {
		return nil
	}
	parts, err := format.fingerprints(content)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if !slices.Contains(p, part) {
			return &cli.PermanentError{Err: fmt.Errorf("%w: it is sha256:%s, and holds %s", errNotPinned, whole, part)}
		}
	}
	return nil
}

func contentFingerprint(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func bundleFingerprints(content []byte) ([]string, error) {
	certificates, err := ParseBundle(content)
	if err != nil {
		return nil, err
	}
	all := make([]string, len(certificates))
	for i, certificate := range certificates {
		all[i] = pki.Fingerprint(certificate)
	}
	return all, nil
}

func keySetFingerprints(content []byte) ([]string, error) {
	set, err := ParseKeySet(content)
	if err != nil {
		return nil, err
	}
	all := make([]string, len(set.Keys))
	for i := range set.Keys {
		if all[i], err = thumbprintOf(&set.Keys[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}
