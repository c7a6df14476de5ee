package password

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/opaque"
)

func writeList(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "refused.txt")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

func TestRules(t *testing.T) {
	rules, err := LoadRules(writeList(t, "123456\nPassword1234\r\nqwertyuiopas\n\nQwertyuiopas\n  spaces count\npässwörd mit ö"))
	require.NoError(t, err)
	for _, tc := range []struct {
		name  string
		rules *Rules
		pw    string
		err   error
	}{
		{"access token", nil, opaque.New(opaque.Access).Reveal(), ErrRefused},
		{"refresh token", rules, opaque.New(opaque.Refresh).Reveal(), ErrRefused},
		{"listed", rules, "qwertyuiopas", ErrRefused},
		{"listed with a Windows line ending", rules, "Password1234", ErrRefused},
		{"listed in other capitals", rules, "PASSWORD1234", ErrRefused},
		{"last line", rules, "pässwörd mit ö", ErrRefused},
		{"too short and listed", rules, "123456", ErrLength},
		{"too long", rules, strings.Repeat("a", MaxLength+1), ErrLength},
		{"spaces count", rules, "spaces count", nil},
		{"not listed", rules, "correct horse", nil},
		{"no list", nil, "qwertyuiopas", nil},
		{"no list, too short", nil, "123456", ErrLength},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.rules.Check(tc.pw)
			require.ErrorIs(t, err, tc.err, "Check")
			if err != nil {
				assert.NotContains(t, err.Error(), tc.pw, "the error shows the password: %v", err)
			}
		})
	}
}

func TestLoadRulesRefuses(t *testing.T) {
	binary := writeList(t, strings.Repeat("x", 1<<20))
	for name, file := range map[string]string{"missing file": filepath.Join(t.TempDir(), "missing"), "no lines": binary} {
		_, err := LoadRules(file)
		assert.ErrorContains(t, err, file, "%s: want an error that names the file", name)
	}
}
