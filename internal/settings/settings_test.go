package settings

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSettingsAtTheirBounds(t *testing.T) {
	const day = 24 * time.Hour
	for _, tc := range []struct {
		name string
		err  error
		want string // empty for none
	}{
		{"the shortest token_ttl", CheckTokenTTL("token_ttl", time.Minute), ""},
		{"a token_ttl that is too short", CheckTokenTTL("token_ttl", time.Minute-time.Second), "token_ttl is 59s: clients need tokens that are valid for at least 1m"},
		{"a token_ttl of broken seconds", CheckTokenTTL("token_ttl", time.Minute+time.Millisecond), "whole seconds"},
		{"for ever", CheckAuditKeep("audit keep", 0), ""},
		{"a day", CheckAuditKeep("audit keep", day), ""},
		{"less than a day", CheckAuditKeep("audit keep", day-1), "audit keep is"},
		{"one permission", CheckMaxPermissions("permissions", 1), ""},
		{"ten million", CheckMaxPermissions("permissions", 10_000_000), ""},
		{"no permission", CheckMaxPermissions("permissions", 0), "permissions is 0: from 1 to 10000000 are possible"},
		{"more than ten million", CheckMaxPermissions("permissions", 10_000_001), "are possible"},
		{"a small document", CheckStateSize("state_size", 64<<10), ""},
		{"a large one", CheckStateSize("state_size", 1<<30), ""},
		{"one that is too small", CheckStateSize("state_size", 64<<10-1), "are possible"},
		{"one that is too large", CheckStateSize("state_size", 1<<30+1), "are possible"},
	} {
		if tc.want == "" {
			assert.NoError(t, tc.err, tc.name)
		} else {
			assert.ErrorContains(t, tc.err, tc.want, tc.name)
		}
	}
}

func TestParseStateSize(t *testing.T) {
	size, err := ParseStateSize("state_size", "64MiB")
	require.NoError(t, err)
	assert.EqualValues(t, 64<<20, size)
	for text, want := range map[string]string{
		"many": "write a size such as 64MiB", "-64MiB": "write a size such as 64MiB", "1KiB": "are possible", "10EB": "are possible",
	} {
		_, err := ParseStateSize("state_size", text)
		require.ErrorContains(t, err, want, text)
	}
}
