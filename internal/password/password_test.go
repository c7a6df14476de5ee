package password

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

func TestVerify(t *testing.T) {
	bcrypted := func(pw string) string {
		t.Helper()
		hash, err := bcrypt.GenerateFromPassword([]byte(pw), bcrypt.MinCost)
		require.NoError(t, err)
		return string(hash)
	}
	argon := func(pw string) string {
		t.Helper()
		hash, err := Hash(pw)
		require.NoError(t, err)
		return hash
	}
	long := strings.Repeat("0123456789", 8)
	for _, tc := range []struct {
		name, hash, pw string
		want           bool
		err            error
	}{
		{name: "argon2id", hash: argon("correct horse"), pw: "correct horse", want: true},
		{name: "argon2id, wrong", hash: argon("correct horse"), pw: "correct horsf"},
		{name: "argon2id, unicode and colons", hash: argon("pässwörd:✓:x"), pw: "pässwörd:✓:x", want: true},
		{name: "argon2id, beyond 72 bytes", hash: argon(long), pw: long, want: true},
		{name: "argon2id, differs after 72 bytes", hash: argon(long), pw: long[:79] + "x"},
		{name: "argon2id, beyond the limit", hash: argon(strings.Repeat("a", 1025)), pw: strings.Repeat("a", 1025)},
		{name: "bcrypt", hash: bcrypted("correct horse"), pw: "correct horse", want: true},
		{name: "bcrypt 2y", hash: strings.Replace(bcrypted("correct horse"), "$2a$", "$2y$", 1), pw: "correct horse", want: true},
		{name: "bcrypt, wrong", hash: bcrypted("correct horse"), pw: "correct horsf"},
		{name: "bcrypt, 72 bytes", hash: bcrypted(long[:72]), pw: long[:72], want: true},
		{name: "bcrypt, tail that bcrypt ignores", hash: bcrypted(long[:72]), pw: long},
		{name: "empty hash", hash: "", pw: "", err: ErrHash},
		{name: "plain text", hash: "secret", pw: "secret", err: ErrHash},
		{name: "broken argon2id", hash: "$argon2id$v=19$m=19456,t=2,p=1$!!$!!", pw: "x", err: ErrHash},
		{name: "broken bcrypt", hash: "$2a$10$short", pw: "x", err: ErrHash},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Verify(tc.hash, tc.pw)
			require.Equal(t, tc.want, got)
			require.ErrorIs(t, err, tc.err)
		})
	}
}

func TestHashFollowsOWASP(t *testing.T) {
	one, err := Hash("correct horse")
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(one, "$argon2id$v=19$m=19456,t=2,p=1$"), "Hash = %q", one)
	two, _ := Hash("correct horse")
	assert.NotEqual(t, two, one, "two hashes of one password are equal: no salt")
	assert.NoError(t, ValidHash(one), "ValidHash of our own hash")
}

func TestValidHash(t *testing.T) {
	for _, tc := range []struct {
		name, hash string
		ok         bool
	}{
		{"bcrypt 10", "$2y$10$" + strings.Repeat("a", 53), true},
		{"bcrypt 31", "$2y$31$" + strings.Repeat("a", 53), false},
		{"argon2id with a gigabyte", "$argon2id$v=19$m=1048576,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b8SkDRdescudvJCsgt3ub+b8SkA", false},
		{"bcrypt outside of its alphabet", "$2y$10$" + strings.Repeat("!", 53), false},
		{"bcrypt cut short", "$2y$10$" + strings.Repeat("a", 52), false},
		{"argon2id without memory", "$argon2id$v=19$m=0,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b8SkDRdescudvJCsgt3ub+b8SkA", false},
		{"argon2id with many lanes", "$argon2id$v=19$m=19456,t=2,p=200$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b8SkDRdescudvJCsgt3ub+b8SkA", false},
		{"argon2id without passes", "$argon2id$v=19$m=19456,t=0,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b8SkDRdescudvJCsgt3ub+b8SkA", false},
		{"apache md5", "$apr1$abc$defghijk", false},
		{"sha", "{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=", false},
		{"empty", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := ValidHash(tc.hash); tc.ok {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, ErrHash)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for length, ok := range map[int]bool{0: false, 11: false, 12: true, 1024: true, 1025: false} {
		err := Check(strings.Repeat("a", length))
		assert.Equal(t, ok, err == nil, "Check of %d bytes = %v", length, err)
	}
	require.Error(t, Check("éééééé"), "six characters of two bytes passed for twelve")
	for _, space := range []string{" ", "\t", "\n", "\r\n", "\u00a0", "\u2003"} {
		for _, pw := range []string{space + "correct horse battery", "correct horse battery" + space, strings.Repeat(space, 12)} {
			err := Check(pw)
			require.ErrorIs(t, err, ErrSpace, "Check(%q)", pw)
			assert.ErrorContains(t, err, "docker login --password-stdin", "Check(%q)", pw)
		}
	}
}

func FuzzValidHash(f *testing.F) {
	f.Add("$2y$10$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b8SkDRdescudvJCsgt3ub+b8SkA")
	f.Fuzz(func(t *testing.T, hash string) {
		// A hash that is let in must be one that can be checked.
		if ValidHash(hash) != nil || strings.Contains(hash, "$2") {
			return
		}
		_, err := Verify(hash, "correct horse")
		require.NoError(t, err, "ValidHash(%q) passed, Verify says", hash)
	})
}
