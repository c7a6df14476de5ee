package rbac

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/cli"
)

func TestParseWhen(t *testing.T) {
	now := time.Date(2026, 5, 10, 12, 0, 0, 0, time.UTC)
	for s, expected := range map[string]time.Time{
		"":                          {},
		"0":                         {},
		"90m":                       now.Add(-90 * time.Minute),
		"7d":                        now.AddDate(0, 0, -7),
		"2026-05-01":                time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC),
		"2026-05-01T10:00:00Z":      time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC),
		"2026-05-01T10:00:00+02:00": time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC),
	} {
		at, err := cli.ParseWhen(s, now)
		require.NoError(t, err, s)
		assert.True(t, at.Equal(expected), "%s: %s", s, at)
	}
	for _, s := range []string{"yesterday", "-1h", "-7d", "7 d", "d", "99999999d", "2026-13-01"} {
		_, err := cli.ParseWhen(s, now)
		assert.ErrorContains(t, err, "is no time", s)
	}
}

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
