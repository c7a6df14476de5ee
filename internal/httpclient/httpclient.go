// Package httpclient makes the HTTP clients that speak to a server of Dockit, to a
// registry or to an issuer.
package httpclient

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"
)

// Options say whom to trust, and how long to wait.
type Options struct {
	// RootCAs are the authorities that may vouch for a server. Default: those
	// of the system.
	RootCAs *x509.CertPool
	// InsecureSkipVerify takes any certificate for the server's.
	InsecureSkipVerify bool
	// Timeout bounds a request, with reading its answer. Default: none.
	Timeout time.Duration
	// MaxHeaders bounds the headers of an answer, in bytes. Default: that of
	// net/http.
	MaxHeaders int64
}

// New makes a client with connections of its own. It follows no redirects:
// a server that redirects is not Dockit, must not get the password, and may lead from
// https to http.
func New(o Options) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            o.RootCAs,
		InsecureSkipVerify: o.InsecureSkipVerify, //nolint:gosec // the caller asked for it by name
	}
	transport.MaxResponseHeaderBytes = o.MaxHeaders
	return &http.Client{
		Transport:     transport,
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
