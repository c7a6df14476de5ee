package trust

import (
	"bytes"
	"errors"
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
	if err != nil {
		t.Fatal(err)
	}
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
			if out, err := pkiGenerateRun(t, append(args, path)...); err != nil || out != "" {
				t.Fatalf("output %q, error %v", out, err)
			}
			if got := mode(t, path); got != 0o600 {
				t.Errorf("mode %o", got)
			}
			if err := serves(t, pki.Files{Key: path}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPKIGeneratePrintsBoth(t *testing.T) {
	out, err := pkiGenerateRun(t)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "combined.pem")
	if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := serves(t, pki.Files{Key: path}); err != nil {
		t.Error(err)
	}
}

func TestPKIGenerateWritesTwoFiles(t *testing.T) {
	dir := t.TempDir()
	files := pki.Files{Key: filepath.Join(dir, "tls.key"), Certificate: filepath.Join(dir, "tls.crt")}
	if _, err := pkiGenerateRun(t, "--key-file", files.Key, "--certificate-file", files.Certificate); err != nil {
		t.Fatal(err)
	}
	if key, cert := mode(t, files.Key), mode(t, files.Certificate); key != 0o600 || cert != 0o644 {
		t.Errorf("modes %o and %o", key, cert)
	}
	if err := serves(t, files); err != nil {
		t.Error(err)
	}
}

func TestPKIGenerateReplacesNothingUnlessForced(t *testing.T) {
	dir := t.TempDir()
	key, cert := filepath.Join(dir, "tls.key"), filepath.Join(dir, "tls.crt")
	if err := os.WriteFile(cert, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"--key-file", key, "--certificate-file", cert}
	if _, err := pkiGenerateRun(t, args...); !errors.Is(err, atomicfile.ErrExists) || !strings.Contains(err.Error(), cert) {
		t.Errorf("error %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files in the folder, error %v", len(entries), err)
	}
	if content, err := os.ReadFile(cert); err != nil || string(content) != "precious" {
		t.Errorf("content %q, error %v", content, err)
	}
	if _, err := pkiGenerateRun(t, append(args, "--force")...); err != nil {
		t.Fatal(err)
	}
	if err := serves(t, pki.Files{Key: key, Certificate: cert}); err != nil {
		t.Error(err)
	}
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
			if out, err := pkiGenerateRun(t, strings.Fields(args)...); err == nil {
				t.Errorf("no error; output %q", out)
			}
			if entries, err := os.ReadDir("."); err != nil || len(entries) != 0 {
				t.Errorf("%d files were written, error %v", len(entries), err)
			}
		})
	}
}
