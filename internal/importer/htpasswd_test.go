package importer_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/importer"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/state"
)

func TestHTPasswdFiles(t *testing.T) {
	checkFiles(t, "htpasswd/*.htpasswd", importer.HTPasswd)
}

func TestHTPasswdKeepsPasswords(t *testing.T) {
	result, err := importer.HTPasswd(strings.NewReader("alice:$2y$05$eW2ITzt1mNeuRJNl9rPMsuKwBtXWNNWnJDNq6JJultlO/FvBkB9kC\n"))
	require.NoError(t, err)
	require.Len(t, result.Document.Subjects, 1)
	ok, err := password.Verify(result.Document.Subjects[0].PasswordHash, "alice-0815")
	require.NoError(t, err)
	assert.True(t, ok)
}

func TestHTPasswdRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       error
	}{
		{"nothing", "", importer.ErrInvalid},
		{"comments only", "# nothing\n\n", importer.ErrInvalid},
		{"another kind of file", "alice\nbob\n", importer.ErrInvalid},
		{"no text", "alice:\x00\x01", importer.ErrInvalid},
		{"too large", "#" + strings.Repeat("x", importer.MaxSize), importer.ErrTooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			result, err := importer.HTPasswd(strings.NewReader(tc.text))
			require.ErrorIs(t, err, tc.want)
			assert.Nil(t, result)
		})
	}
	t.Run("a file that cannot be read", func(t *testing.T) {
		_, err := importer.HTPasswd(errorReader{})
		require.ErrorIs(t, err, errRead)
	})
}

var errRead = errors.New("gone")

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, errRead }

func FuzzHTPasswd(f *testing.F) {
	f.Add("alice:$2y$05$eW2ITzt1mNeuRJNl9rPMsuKwBtXWNNWnJDNq6JJultlO/FvBkB9kC\nalice:x\nBob:y\n")
	f.Add("# comment\r\nsecret\r\n:\n")
	f.Fuzz(func(t *testing.T, text string) {
		result, err := importer.HTPasswd(strings.NewReader(text))
		if err != nil {
			require.ErrorIs(t, err, importer.ErrInvalid)
			return
		}
		written, err := result.Document.Bytes(state.YAML)
		require.NoError(t, err)
		_, err = state.Parse(strings.NewReader(string(written)))
		require.NoError(t, err)
	})
}
