package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/duration"
	"github.com/dockit-registry/dockit/internal/httpclient"
	"github.com/dockit-registry/dockit/internal/version"
)

// ConnectionFlags say which server to speak to, and what to trust.
type ConnectionFlags struct {
	BaseURL  string
	caFile   string
	Insecure bool
	Timeout  time.Duration
}

func (c *ConnectionFlags) Register(flags *pflag.FlagSet, timeout time.Duration, timeoutUsage string) {
	flags.StringVar(&c.BaseURL, "base-url", "http://localhost:4315", "`URL` of the Dockit server")
	c.RegisterTrust(flags, timeout, timeoutUsage)
}

// RegisterTrust is Register for a command that finds the server by itself.
func (c *ConnectionFlags) RegisterTrust(flags *pflag.FlagSet, timeout time.Duration, timeoutUsage string) {
	flags.StringVar(&c.caFile, "ca-file", "", "PEM `file` with the authorities to trust instead of the system's")
	flags.BoolVar(&c.Insecure, "insecure", false, "do not verify the server's TLS certificate: whoever answers is trusted")
	duration.Var(flags, &c.Timeout, "timeout", timeout, timeoutUsage)
}

// CAFileFromEnvironment is for a command whose own flag --ca-file stands before the
// one of the connection.
func (c *ConnectionFlags) CAFileFromEnvironment() error {
	value, _, err := plain(Variable("ca-file"))
	c.caFile = value
	return err
}

// Roots reads the authorities to trust; nil stands for those of the system.
func (c *ConnectionFlags) Roots(warnings io.Writer) (*x509.CertPool, error) {
	if c.Timeout <= 0 {
		return nil, Usagef("timeout %s: it must be longer than nothing, such as 30s", c.Timeout)
	}
	if c.Insecure {
		fmt.Fprintln(warnings, "Warning: the server's TLS certificate is not verified (--insecure)")
	}
	if c.caFile == "" {
		return nil, nil //nolint:nilnil // nil means the system's
	}
	return c.addAuthorities(x509.NewCertPool())
}

// RootsBeside are the system's authorities and those of --ca-file, for who else is
// asked than the server; nil stands for those of the system alone.
func (c *ConnectionFlags) RootsBeside() (*x509.CertPool, error) {
	if c.caFile == "" {
		return nil, nil //nolint:nilnil // nil means the system's
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's authorities: %w", err)
	}
	return c.addAuthorities(pool)
}

func (c *ConnectionFlags) addAuthorities(pool *x509.CertPool) (*x509.CertPool, error) {
	content, err := os.ReadFile(c.caFile)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("CA file %s: no PEM certificate in it", c.caFile)
	}
	return pool, nil
}

// ParseBaseURL checks the URL of a server.
func ParseBaseURL(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil {
		return nil, errors.New("base URL: write http://host:port or https://host")
	}
	base.RawQuery, base.Fragment = "", ""
	return base, nil
}

// HTTPClient makes requests that carry no credentials of Dockit's.
func (c *ConnectionFlags) HTTPClient(roots *x509.CertPool) *http.Client {
	return httpclient.New(httpclient.Options{RootCAs: roots, InsecureSkipVerify: c.Insecure, Timeout: c.Timeout})
}

// LoginFlags say who speaks.
type LoginFlags struct {
	ConnectionFlags
	username      string
	PasswordStdin bool
	RegistryURL   string
	// Silent asks the user for nothing: a shell completes a command.
	Silent bool
}

func (l *LoginFlags) Register(flags *pflag.FlagSet) {
	l.ConnectionFlags.Register(flags, 30*time.Second, "how long to wait for each answer")
	flags.StringVarP(&l.username, "username", "u", "", "`name` of the admin to log in as")
	flags.BoolVar(&l.PasswordStdin, "password-stdin", false, "read the password from standard input; with add and change-password, the subject's new one")
	flags.StringVar(&l.RegistryURL, "registry-url", "", "registry whose stored docker credentials to use when none are given (default the host of --base-url)")
}

// Client logs in. With stdinTaken, standard input holds something else than
// the caller's own password.
func (l *LoginFlags) Client(cmd *cobra.Command, stdinTaken bool) (*client.Client, error) {
	roots, err := l.Roots(cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	options := client.Options{
		BaseURL:            l.BaseURL,
		RootCAs:            roots,
		InsecureSkipVerify: l.Insecure,
		UserAgent:          "dockit/" + version.Read().Version,
		Timeout:            l.Timeout,
	}
	// A wrong URL is an error before the user is asked for a password.
	if _, err := client.New(options); err != nil {
		return nil, UsageError(err)
	}
	if u, err := url.Parse(l.BaseURL); err == nil && AnybodyAnswers(u) && !l.Silent {
		Warnf(cmd.ErrOrStderr(), "Warning: the password goes to %s as plain HTTP, which whoever is on the way can read: use https, or a tunnel to localhost", u.Host)
	}
	options.Username, options.Password, err = l.credentials(cmd, stdinTaken)
	if err != nil {
		return nil, err
	}
	return client.New(options)
}

// PermanentError is one that waiting does not change.
type PermanentError struct {
	Err error
	// Unreachable is set when it is not known what the server would answer.
	Unreachable bool
}

func (e *PermanentError) Error() string { return e.Err.Error() }

func (e *PermanentError) Unwrap() error { return e.Err }

// ExplainConnection distinguishes certificates that will not verify a second
// later either from servers that are not up yet.
func ExplainConnection(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &PermanentError{
			Err:         fmt.Errorf("%w: name the authority that signed the server's certificate with --ca-file", err),
			Unreachable: true,
		}
	}
	return err
}

// AnybodyAnswers reports whether nothing about a connection to a URL says who
// answers: it is plain HTTP, and leaves the machine.
func AnybodyAnswers(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	ip := net.ParseIP(host)
	return u.Scheme == "http" && host != "localhost" && (ip == nil || !ip.IsLoopback())
}
