package state

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestIssuersInPieces checks that issuers and bindings are the same however many of
// them are read at once, in YAML and in JSON.
func TestIssuersInPieces(t *testing.T) {
	for name, text := range map[string]string{
		"yaml": `version: dockit/v1
issuers:
  - name: a
    url: https://a.example.com
    audiences: [x, y]
    # A comment.
    kind: generic
  - name: b
    url: https://b.example.com
    audiences:
      - x
users:
  - name: zoe
    permissions:
      - repository:a:pull
bindings:
- name: one
  issuer: a
  robot: robot:ci
  claims:
  - sub=x
  - sub=y
  permissions:
  - not one of its fields
- name: two
  issuer: b
  robot: robot:ci
  claims: [sub=x]
`,
		"json": `{"version": "dockit/v1", "bindings": [{"name": "one", "issuer": "a", "robot": "robot:ci", "claims": ["sub=x", "sub=y"]},
			{"name": "two", "issuer": "b", "robot": "robot:ci", "claims": ["sub=x"], "scopes": []}],
			"issuers": [{"name": "a", "url": "https://a.example.com", "audiences": ["x"], "disabled": true}]}`,
		"too much": `{"version": "dockit/v1", "issuers": [{"name": "a", "url": "https://a.example.com", "kind": {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			for size := range 40 {
				unusual := agree(t, text, size+1)
				assert.Equal(t, name == "too much", unusual)
			}
		})
	}
}
