package dockit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestExamples adapts and provisions every example, in a folder instead of
// their /data and /run/secrets.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("examples", "*.caddyfile"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("XDG_DATA_HOME", dir)
			t.Setenv("DOCKIT_ROOT_PASSWORD", rootPassword)
			write(t, filepath.Join(dir, "dockit_root"), []byte(rootPassword+"\n"))
			write(t, filepath.Join(dir, "combined.pem"), keyAndCertificate(t))
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			example := strings.NewReplacer("/data/", dir+"/", "/run/secrets/", dir+"/").Replace(string(content))

			adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(example), map[string]any{"filename": file})
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) > 0 {
				t.Error(warnings)
			}
			if strings.Contains(string(adapted), rootPassword) {
				t.Error("a secret is in the stored configuration")
			}
			var config *caddy.Config
			if err := json.Unmarshal(adapted, &config); err != nil {
				t.Fatal(err)
			}
			var app caddyhttp.App
			if err := json.Unmarshal(config.AppsRaw["http"], &app); err != nil {
				t.Fatal(err)
			}
			if app.GracePeriod == 0 {
				t.Error("no grace period: stopping could take forever")
			}
			for name, server := range app.Servers {
				if server.ReadHeaderTimeout == 0 || server.MaxHeaderBytes == 0 {
					t.Errorf("server %s has no limits on headers", name)
				}
			}
			if err := caddy.Validate(config); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// keyAndCertificate is a private key and a certificate that was issued for it.
func keyAndCertificate(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "registry tokens"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(90 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
}

// TestDocumentedFilesCloseTheAdminEndpoint looks at what people copy: every
// Caddyfile with global options, in the examples and in the text.
func TestDocumentedFilesCloseTheAdminEndpoint(t *testing.T) {
	block := regexp.MustCompile("(?ms)^```(?:caddyfile|caddy)?\n(\\{\n.*?)^```")
	found := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (path == "bin" || path == ".git" || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if err != nil || !entry.Type().IsRegular() || filepath.Ext(path) != ".md" && filepath.Ext(path) != ".caddyfile" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var files []string
		switch filepath.Ext(path) {
		case ".caddyfile":
			files = []string{string(content)}
		case ".md":
			for _, match := range block.FindAllSubmatch(content, -1) {
				files = append(files, string(match[1]))
			}
		}
		for _, file := range files {
			found++
			if !strings.Contains(file, "\tadmin off") && !strings.Contains(file, "\tadmin unix//") {
				t.Errorf("%s: this leaves Caddy's admin endpoint open:\n%s", path, file)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 8 {
		t.Errorf("only %d Caddyfiles were found", found)
	}
}
