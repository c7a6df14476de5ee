package httpclient

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// get asks a server, and returns the status.
func get(t *testing.T, o Options, url string) (int, error) {
	t.Helper()
	client := New(o)
	t.Cleanup(client.CloseIdleConnections)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	followed := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if followed = r.URL.Path == "/elsewhere"; !followed {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}
	}))
	t.Cleanup(server.Close)
	status, err := get(t, Options{}, server.URL)
	require.NoError(t, err)
	assert.Equal(t, http.StatusTemporaryRedirect, status)
	assert.False(t, followed)
}

func TestCertificatesAreVerified(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	for name, tc := range map[string]struct {
		options Options
		refused bool
	}{
		"by the system":     {Options{}, true},
		"by other roots":    {Options{RootCAs: x509.NewCertPool()}, true},
		"by its authority":  {Options{RootCAs: roots}, false},
		"not, as asked for": {Options{InsecureSkipVerify: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := get(t, tc.options, server.URL)
			if !tc.refused {
				assert.NoError(t, err)
				return
			}
			var unverified *tls.CertificateVerificationError
			assert.ErrorAs(t, err, &unverified)
		})
	}
}

// TestOldTLSIsRefused guards that TLS below 1.2 is not spoken.
func TestOldTLSIsRefused(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	server.StartTLS()
	t.Cleanup(server.Close)
	_, err := get(t, Options{InsecureSkipVerify: true}, server.URL)
	assert.ErrorContains(t, err, "protocol version")
}
