package federation

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKeptClaimsMeetWhatTheTokenMet: what is kept is compared as the token was, by
// the conditions of then and by others.
func TestKeptClaimsMeetWhatTheTokenMet(t *testing.T) {
	claims := Claims{
		"repository": "octo/app", "ref": "refs/heads/main", "protected": true, "run": json.Number("7"), "other": "x", "none": nil,
		"groups": []any{"dev", "ops", json.Number("3")}, "kubernetes.io": map[string]any{"namespace": "ci"},
	}
	parse := func(texts ...string) (all []Condition) {
		for _, text := range texts {
			c, err := ParseCondition(text)
			require.NoError(t, err)
			all = append(all, c)
		}
		return all
	}
	began := parse("repository=octo/*", "ref=refs/heads/main", "protected=true", "run=7", "groups=ops", "kubernetes.io/namespace=ci")
	kept := Keep(began, claims)
	assert.Equal(t, KeptClaim{"groups", []string{"ops", "dev", "3"}}, kept[4], "what met the condition stands first")
	encoded, err := json.Marshal(kept)
	require.NoError(t, err)
	var read []KeptClaim
	require.NoError(t, json.Unmarshal(encoded, &read))
	for name, c := range map[string]struct {
		conditions []Condition
		holds      bool
	}{
		"those of then":              {began, true},
		"fewer":                      {parse("run=7"), true},
		"another value of a list":    {parse("groups=dev"), true},
		"a narrower pattern":         {parse("repository=octo/app"), true},
		"another value":              {parse("run=8"), false},
		"one of two values":          {parse("run=8", "run=7"), true},
		"a claim that was not kept":  {parse("run=7", "other=x"), false},
		"a claim that was not there": {parse("run=7", "absent=*"), false},
		"none":                       {nil, false},
	} {
		assert.Equal(t, c.holds, Compile(c.conditions).Holds(ClaimsOf(read)), name)
	}
}

func TestFewValuesOfAClaimAreKept(t *testing.T) {
	var list []any
	for n := range 1000 {
		list = append(list, fmt.Sprint("group-", n))
	}
	kept := Keep([]Condition{{"groups", "group-999"}}, Claims{"groups": list})
	require.Len(t, kept, 1)
	assert.Len(t, kept[0].Values, maxKeptValues)
	assert.Equal(t, "group-999", kept[0].Values[0])
	assert.Empty(t, Keep([]Condition{{"absent", "*"}}, Claims{})[0].Values)
}
