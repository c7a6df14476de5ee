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
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestExamples adapts and provisions every example, in a folder instead of
// their /data and /run/secrets.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("examples", "caddyfile", "*.caddyfile"))
	require.NoError(t, err, "no examples")
	require.Len(t, files, 8)
	list := contentOfFile(t, filepath.Join("examples", "caddyfile", "README.md"))
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			assert.Contains(t, list, "("+filepath.Base(file)+")", "the list has not got it")
			dir := t.TempDir()
			t.Setenv("XDG_DATA_HOME", dir)
			t.Setenv("DOCKIT_ROOT_PASSWORD", rootPassword)
			write(t, filepath.Join(dir, "dockit_root"), []byte(rootPassword+"\n"))
			write(t, filepath.Join(dir, "combined.pem"), keyAndCertificate(t))
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			example := strings.NewReplacer("/data/", dir+"/", "/run/secrets/", dir+"/").Replace(string(content))

			adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(example), map[string]any{"filename": file})
			require.NoError(t, err)
			assert.Empty(t, warnings)
			assert.NotContains(t, string(adapted), rootPassword, "a secret is in the stored configuration")
			var config *caddy.Config
			require.NoError(t, json.Unmarshal(adapted, &config))
			var app caddyhttp.App
			require.NoError(t, json.Unmarshal(config.AppsRaw["http"], &app))
			assert.NotZero(t, app.GracePeriod, "no grace period: stopping could take forever")
			for name, server := range app.Servers {
				assert.NotZero(t, server.ReadHeaderTimeout, "server %s has no limits on headers", name)
				assert.NotZero(t, server.MaxHeaderBytes, "server %s has no limits on headers", name)
			}
			require.NoError(t, caddy.Validate(config))
		})
	}
}

// standIn takes the place of a directive of a module that is not built in, and does nothing.
type standIn struct{}

func (standIn) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.stand_in", New: func() caddy.Module { return new(standIn) }}
}

func (standIn) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return next.ServeHTTP(w, r)
}

func init() {
	caddy.RegisterModule(standIn{})
	httpcaddyfile.RegisterHandlerDirective("rate_limit", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		for h.Next() {
			for nesting := h.Nesting(); h.NextBlock(nesting); {
				for inner := h.Nesting(); h.NextBlock(inner); {
				}
			}
		}
		return standIn{}, nil
	})
}

func contentOfFile(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, content, 0o600))
}

// keyAndCertificate is a private key and a certificate that was issued for it.
func keyAndCertificate(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "registry tokens"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(90 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
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
			if !strings.Contains(file, "\tadmin off") {
				assert.Contains(t, file, "\tadmin unix//", "%s: this leaves Caddy's admin endpoint open", path)
			}
		}
		return nil
	})
	require.NoError(t, err)
	assert.GreaterOrEqual(t, found, 8, "only %d Caddyfiles were found", found)
}
