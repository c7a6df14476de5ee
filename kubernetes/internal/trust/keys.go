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

// known are the keys that an issuer has.
type known struct {
	// set is the JWK set that it was given; empty for one whose keys are read by Dockit.
	set string
	// ids are the ids of its keys. A cluster's are hashes of them.
	ids []string
}

// ofAnotherCluster reports whether an issuer and a JWK set have keys, and none in common. A cluster that rotates its keys publishes old and
// new ones together for as long as tokens by the old ones are about.
func ofAnotherCluster(current known, found string) bool {
	now := keysIn(found)
	if before := keysIn(current.set); len(before) > 0 {
		return len(now) > 0 && !slices.ContainsFunc(now, func(k publicKey) bool { return slices.Contains(before, k) })
	}
	var document struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	if len(current.ids) == 0 || len(now) == 0 || json.Unmarshal([]byte(found), &document) != nil {
		return false
	}
	for _, key := range document.Keys {
		if slices.Contains(current.ids, key.ID) {
			return false
		}
	}
	return true
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
