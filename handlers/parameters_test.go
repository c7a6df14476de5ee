package handlers

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzParameters guards that parameters are those that [url.ParseQuery] reads.
func FuzzParameters(f *testing.F) {
	for _, text := range []string{
		"", "&", "=", "a", "a=", "=b", "a=1&a=2&b=3", "a=%41&%61=+", "a=%zz", "%zz=a", "a=1;b=2", "a;b", "&&a=b&", "a=%", "a=b=c",
		strings.Repeat("a=b&", manyParameters) + "a=c", strings.Repeat("&", 20_000),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, wantErr := url.ParseQuery(text)
		got, err := parseParameters(text)
		if wantErr != nil {
			require.EqualError(t, err, wantErr.Error())
			return
		}
		require.NoError(t, err)
		read := 0
		for name, values := range want {
			assert.Equal(t, values[0], got.first(name), "%q", name)
			assert.Equal(t, len(values), got.count(name), "%q", name)
			assert.Equal(t, values, got.all(name), "%q", name)
			read += len(values)
		}
		assert.Len(t, got, read)
		assert.Equal(t, want.Get("not there"), got.first("not there"))
	})
}
