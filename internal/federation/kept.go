package federation

import "slices"

// maxKeptValues is how many values of one claim are kept.
const maxKeptValues = 64

// KeptClaim is what is kept of a claim that conditions name, or that is exposed: the
// values that it is compared by. The first is one that met a condition, if any did.
type KeptClaim struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Keep is what has to be kept of claims to compare them with the conditions again.
func Keep(conditions []Condition, claims Claims) []KeptClaim {
	findings, _ := Match(conditions, claims)
	kept := make([]KeptClaim, 0, len(findings))
	for _, f := range findings {
		value, _ := claims.Find(f.Name)
		var first []string
		if f.Holds {
			first = []string{f.Value}
		}
		kept = append(kept, KeptClaim{f.Name, keptValues(first, value)})
	}
	return kept
}

// keptValues are those of a claim behind some that come first.
func keptValues(first []string, claim any) []string {
	values := append(make([]string, 0, 1), first...)
	for _, text := range texts(claim) {
		if len(values) < maxKeptValues && !slices.Contains(values, text) {
			values = append(values, text)
		}
	}
	return values
}

// ClaimsOf are claims to compare with conditions: a claim that was not kept is not
// among them.
func ClaimsOf(kept []KeptClaim) Claims {
	claims := make(Claims, len(kept))
	for _, k := range kept {
		values := make([]any, len(k.Values))
		for n, value := range k.Values {
			values[n] = value
		}
		claims[k.Name] = values
	}
	return claims
}

// Holds reports whether claims meet the conditions, of which there is at least one.
func (c Compiled) Holds(claims Claims) bool {
	return len(c.claims) > 0 && c.Missed(NewView(claims), 1) == 0
}
