package dockit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
)

// errNoCertificate is returned for a file of authorities that holds none.
var errNoCertificate = errors.New("no certificate in the file of the local authority")

// RootCA is the file of the authority whose certificate the server has for localhost. It exists once the server is
// ready.
func (s *Server) RootCA() string {
	return filepath.Join(s.config.Dir, "data", "caddy", "pki", "authorities", "local", "root.crt")
}

// HTTPClient returns a client that trusts the server as an operator would: by its local authority and by nothing
// else when it serves HTTPS.
func (s *Server) HTTPClient() *http.Client {
	if !s.config.HTTPS {
		return http.DefaultClient
	}
	return &http.Client{Transport: s.Transport()}
}

// Transport returns a transport that trusts the server's local authority and nothing else.
func (s *Server) Transport() *http.Transport {
	return &http.Transport{
		// Plain connections are refused.
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("this client speaks HTTPS only")
		},
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			// Read each time: the file is made when the server starts.
			certificates, err := os.ReadFile(s.RootCA())
			if err != nil {
				return nil, err
			}
			roots := x509.NewCertPool()
			if !roots.AppendCertsFromPEM(certificates) {
				return nil, errNoCertificate
			}
			dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
			return dialer.DialContext(ctx, network, address)
		},
	}
}
