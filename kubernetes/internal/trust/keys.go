package trust

import (
	"encoding/json"
	"slices"
)

// publicKey is what makes a key of a set the same as one of another, whatever its id.
type publicKey struct {
	Type  string `json:"kty"`
	N     string `json:"n"`
	E     string `json:"e"`
	Curve string `json:"crv"`
	X     string `json:"x"`
	Y     string `json:"y"`
}

// ofAnotherCluster reports whether two JWK sets have keys, and none in common. A cluster that rotates its keys publishes old and new ones
// together for as long as tokens by the old ones are about.
func ofAnotherCluster(current, found string) bool {
	before, now := keysIn(current), keysIn(found)
	return len(before) > 0 && len(now) > 0 && !slices.ContainsFunc(now, func(k publicKey) bool { return slices.Contains(before, k) })
}

func keysIn(set string) []publicKey {
	var document struct {
		Keys []publicKey `json:"keys"`
	}
	if json.Unmarshal([]byte(set), &document) != nil {
		return nil
	}
	return document.Keys
}
