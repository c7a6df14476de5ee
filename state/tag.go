package state

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Tag stands for what the plan does: another plan has the same one if it does the
// same. What it warns of does not count.
func (p Plan) Tag() string {
	sum := sha256.New()
	w := json.NewEncoder(sum)
	for _, c := range p.Changes {
		_ = w.Encode(c)              // nothing in it fails
		_ = w.Encode(c.PasswordHash) // which is not in the JSON
	}
	_ = w.Encode(p.Issuers)
	_ = w.Encode(p.Bindings)
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
