package trust

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/internal/atomicfile"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/store"
)

func pkiGenerateRun(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := NewPKIGenerateCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Mode().Perm()
}

// serves reports why a server cannot use the files.
func serves(t *testing.T, files pki.Files) error {
	t.Helper()
	logger := zaptest.NewLogger(t)
	s, err := store.Open(t.Context(), store.Config{Dialect: "sqlite", DSN: filepath.Join(t.TempDir(), "dockit.sqlite")}, logger)
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()
	ring, err := pki.NewFileRing(t.Context(), s, files, pki.Options{}, logger)
	if err != nil {
		return err
	}
	defer ring.Close()
	_, err = ring.SigningKey("registry")
	return err
}

func TestPKIGenerateMakesWhatAServerTakes(t *testing.T) {
	for _, args := range [][]string{
		nil,
		{"--ca"},
		{"--key-type", "ec", "--ec-key-size", "384", "--days", "1"},
		{"--key-type", "rsa", "--rsa-key-size", "3072", "--months", "1"},
		{"--key-type", "ed25519", "--years", "1", "--subject", "CN=a,O=b", "--san", "a.example.com,192.0.2.1"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "combined.pem")
			out, err := pkiGenerateRun(t, append(args, path)...)
			require.NoError(t, err)
			require.Empty(t, out)
			assert.EqualValues(t, 0o600, mode(t, path), "mode")
			assert.NoError(t, serves(t, pki.Files{Key: path}))
		})
	}
}

func TestPKIGeneratePrintsBoth(t *testing.T) {
	out, err := pkiGenerateRun(t)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "combined.pem")
	require.NoError(t, os.WriteFile(path, []byte(out), 0o600))
	assert.NoError(t, serves(t, pki.Files{Key: path}))
}

func TestPKIGenerateWritesTwoFiles(t *testing.T) {
	dir := t.TempDir()
	files := pki.Files{Key: filepath.Join(dir, "tls.key"), Certificate: filepath.Join(dir, "tls.crt")}
	_, err := pkiGenerateRun(t, "--key-file", files.Key, "--certificate-file", files.Certificate)
	require.NoError(t, err)
	key, cert := mode(t, files.Key), mode(t, files.Certificate)
	assert.EqualValues(t, 0o600, key)
	assert.EqualValues(t, 0o644, cert)
	assert.NoError(t, serves(t, files))
}

func TestPKIGenerateReplacesNothingUnlessForced(t *testing.T) {
	dir := t.TempDir()
	key, cert := filepath.Join(dir, "tls.key"), filepath.Join(dir, "tls.crt")
	require.NoError(t, os.WriteFile(cert, []byte("precious"), 0o644))
	args := []string{"--key-file", key, "--certificate-file", cert}
	_, err := pkiGenerateRun(t, args...)
	require.ErrorIs(t, err, atomicfile.ErrExists)
	require.ErrorContains(t, err, cert)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
	content, err := os.ReadFile(cert)
	require.NoError(t, err, "content %q", content)
	assert.Equal(t, "precious", string(content), "content %q", content)
	_, err = pkiGenerateRun(t, append(args, "--force")...)
	require.NoError(t, err)
	assert.NoError(t, serves(t, pki.Files{Key: key, Certificate: cert}))
}

func TestPKIGenerateRefusesWrongUsage(t *testing.T) {
	for _, args := range []string{
		"a.pem b.pem",
		"--key-file a.key",
		"--key-file a.pem --certificate-file a.pem",
		"--key-file a.key --certificate-file a.crt c.pem",
		"--days -1",
		"--years 9000",
		"--key-type dsa",
		"--ec-key-size 224",
		"--key-type rsa --rsa-key-size 1024",
		"--subject FOO=bar",
		"--san not/a/name",
		"--unknown",
	} {
		t.Run(args, func(t *testing.T) {
			t.Chdir(t.TempDir())
			out, err := pkiGenerateRun(t, strings.Fields(args)...)
			require.Error(t, err, "no error; output %q", out)
			entries, err := os.ReadDir(".")
			require.NoError(t, err)
			assert.Empty(t, entries)
		})
	}
}
