package jsonstring

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func FuzzAppend(f *testing.F) {
	for _, s := range []string{"", "team/app", `"\`, "<&>", "\x00\x1f\x7f", "Müller", "\xff", "\u2028", "a b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		require.NoError(t, err)
		assert.Equal(t, "["+string(want), string(Append([]byte("["), s)), "%q", s)
	})
}
