package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dockit-registry/dockit/client"
)

// connectionFlags say which server to speak to, and what to trust.
type connectionFlags struct {
	baseURL  string
	caFile   string
	insecure bool
	timeout  time.Duration
}

func (c *connectionFlags) register(flags *pflag.FlagSet, timeout time.Duration, timeoutUsage string) {
	flags.StringVar(&c.baseURL, "base-url", "http://localhost:4315", "`URL` of the Dockit server")
	flags.StringVar(&c.caFile, "ca-file", "", "PEM `file` with the authorities to trust instead of the system's")
	flags.BoolVar(&c.insecure, "insecure", false, "do not verify the server's TLS certificate: whoever answers is trusted")
	DurationVar(flags, &c.timeout, "timeout", timeout, timeoutUsage)
}

// roots reads the authorities to trust; nil stands for those of the system.
func (c *connectionFlags) roots(warnings io.Writer) (*x509.CertPool, error) {
	if c.timeout <= 0 {
		return nil, usagef("timeout %s: it must be longer than nothing, such as 30s", c.timeout)
	}
	if c.insecure {
		fmt.Fprintln(warnings, "Warning: the server's TLS certificate is not verified (--insecure)")
	}
	if c.caFile == "" {
		return nil, nil //nolint:nilnil // nil means the system's
	}
	content, err := os.ReadFile(c.caFile)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("CA file %s: no PEM certificate in it", c.caFile)
	}
	return pool, nil
}

// parseBaseURL checks the URL of a server.
func parseBaseURL(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil {
		return nil, errors.New("base URL: write http://host:port or https://host")
	}
	base.RawQuery, base.Fragment = "", ""
	return base, nil
}

// newHTTPClient makes a client for one server, which nobody redirects to
// another one.
func newHTTPClient(roots *x509.CertPool, insecure bool, timeout time.Duration) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            roots,
		InsecureSkipVerify: insecure, //nolint:gosec // the caller asked for it by name and was warned
	}
	return &http.Client{
		Transport: transport,
		Timeout:   timeout,
		// Whoever redirects is not Dockit, and may lead from https to http.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// loginFlags say who speaks.
type loginFlags struct {
	connectionFlags
	username      string
	passwordStdin bool
	registryURL   string
	// silent asks nobody for anything: a shell completes a command.
	silent bool
}

func (l *loginFlags) register(flags *pflag.FlagSet) {
	l.connectionFlags.register(flags, 30*time.Second, "how long to wait for each answer")
	flags.StringVarP(&l.username, "username", "u", "", "`name` of the admin to log in as")
	flags.BoolVar(&l.passwordStdin, "password-stdin", false, "read the password from standard input; with add and change-password, the subject's new one")
	flags.StringVar(&l.registryURL, "registry-url", "", "registry whose stored docker credentials to use when none are given (default the host of --base-url)")
}

// client logs in. With stdinTaken, standard input holds something else than
// the caller's own password.
func (l *loginFlags) client(cmd *cobra.Command, stdinTaken bool) (*client.Client, error) {
	roots, err := l.roots(cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	options := client.Options{
		BaseURL:            l.baseURL,
		RootCAs:            roots,
		InsecureSkipVerify: l.insecure,
		UserAgent:          "dockit/" + ReadBuild().Version,
		Timeout:            l.timeout,
	}
	// A wrong URL is told before anybody is asked for a password.
	if _, err := client.New(options); err != nil {
		return nil, UsageError(err)
	}
	if u, err := url.Parse(l.baseURL); err == nil && anybodyAnswers(u) && !l.silent {
		warnf(cmd.ErrOrStderr(), "Warning: the password goes to %s as plain HTTP, which whoever is on the way can read: use https, or a tunnel to localhost", u.Host)
	}
	options.Username, options.Password, err = l.credentials(cmd, stdinTaken)
	if err != nil {
		return nil, err
	}
	return client.New(options)
}
