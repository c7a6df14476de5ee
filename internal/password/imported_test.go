package password

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckImported(t *testing.T) {
	bcryptOf := func(cost int) string { return Cost{bcrypt: cost}.Decoy() }
	argonOf := func(memory, passes uint32, lanes uint8) string {
		return Cost{memory: memory, passes: passes, lanes: lanes, length: 32}.Decoy()
	}
	for _, tc := range []struct {
		name, hash string
		want       error
	}{
		{"made here", current.Decoy(), nil},
		{"bcrypt as htpasswd makes it", bcryptOf(5), nil},
		{"bcrypt 10", bcryptOf(10), nil},
		{"bcrypt 11", bcryptOf(11), ErrTooDear},
		{"bcrypt 14", bcryptOf(14), ErrTooDear},
		{"bcrypt that cannot be checked at all", bcryptOf(15), ErrHash},
		{"argon2id, cheap", argonOf(64, 1, 1), nil},
		{"argon2id as OWASP has it", argonOf(47104, 1, 1), nil},
		{"argon2id, three times as much", argonOf(19*1024, 6, 1), nil},
		{"argon2id, many passes", argonOf(19*1024, 9, 1), ErrTooDear},
		{"argon2id, much memory", argonOf(64*1024, 3, 4), ErrTooDear},
		{"argon2id, cheap on two cores", argonOf(64, 1, 2), ErrTooDear},
		{"argon2id, cheap on sixteen cores", argonOf(19*1024, 1, 16), ErrTooDear},
		{"MD5", "$1$abc$def", ErrHash},
		{"nothing", "", ErrHash},
	} {
		err := CheckImported(tc.hash)
		require.ErrorIs(t, err, tc.want, tc.name)
		assert.Equal(t, errors.Is(tc.want, ErrTooDear), errors.Is(err, ErrTooDear), tc.name)
		if errors.Is(err, ErrTooDear) {
			assert.ErrorIs(t, err, ErrHash, tc.name)
			assert.Regexp(t, `bcrypt up to 10|\(p=1\)`, err.Error(), tc.name)
		}
	}
}

// BenchmarkImportedWork measures the dearest hashes that may be imported in
// checks of a hash made here, which [Cost.Work] estimates without measuring.
func BenchmarkImportedWork(b *testing.B) {
	took := func(c Cost) time.Duration {
		hash, began := c.Decoy(), time.Now()
		require.NoError(b, CheckImported(hash))
		_, err := Verify(hash, "a wrong password")
		require.NoError(b, err)
		return time.Since(began)
	}
	for _, c := range []Cost{
		{bcrypt: 5},
		{bcrypt: maxImportedBcrypt},
		{memory: 19 * 1024, passes: 6, lanes: 1, length: 32},
		{memory: 61 * 1024, passes: 1, lanes: 1, length: 32},
	} {
		b.Run(c.String(), func(b *testing.B) {
			var own, imported time.Duration
			for b.Loop() {
				own += took(current)
				imported += took(c)
			}
			b.ReportMetric(float64(imported)/float64(own), "times")
			b.ReportMetric(c.Work(), "estimated")
		})
	}
}
