package rbac

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dockit-registry/dockit/audit"
)

func TestChangeOf(t *testing.T) {
	for _, c := range []struct{ before, after, expected string }{
		{``, `{"admin":false,"disabled":false,"password":"set"}`, "admin: no, disabled: no, password: set"},
		{`{"admin":false,"disabled":false}`, `{"admin":true,"disabled":false}`, "admin: no → yes"},
		{`{"password":"set"}`, `{"password":"changed"}`, "password: set → changed"},
		{``, `{"permission":"repository:a:pull"}`, "repository:a:pull"},
		{`{"permission":"repository:a:pull"}`, `{"permission":"repository:a:push"}`, "repository:a:pull → repository:a:push"},
		{`{"permission":"repository:a:pull"}`, ``, "was repository:a:pull"},
		{`{"member":"user:alice"}`, ``, "was user:alice"},
		{``, `{"keys":["a","b"]}`, "keys: a b"},
		{``, ``, ""},
		{`not JSON`, `{"n":1}`, "n: 1"},
	} {
		e := audit.Entry{Event: audit.Event{Before: json.RawMessage(c.before), After: json.RawMessage(c.after)}}
		assert.Equal(t, c.expected, changeOf(e))
	}
}
