// Package doctor holds the command that finds out why a registry does not accept
// Dockit's tokens.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/cli"
)

// finding is what one examination showed.
type finding struct {
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	// Possible is set on what may be wrong, or is so for some clients only.
	Possible bool   `json:"possible,omitempty"`
	Message  string `json:"message"`
}

// findings are those of one registry.
type findings struct {
	Registry string    `json:"registry"`
	Service  string    `json:"service,omitempty"`
	Realm    string    `json:"realm,omitempty"`
	OK       bool      `json:"ok"`
	Findings []finding `json:"findings"`
}

func (f *findings) good(check, format string, args ...any) {
	f.Findings = append(f.Findings, finding{Check: check, OK: true, Message: fmt.Sprintf(format, args...)})
}

func (f *findings) bad(check, format string, args ...any) {
	f.OK = false
	f.Findings = append(f.Findings, finding{Check: check, Message: fmt.Sprintf(format, args...)})
}

// maybe says what is wrong perhaps: by itself it fails no examination.
func (f *findings) maybe(check, format string, args ...any) {
	f.Findings = append(f.Findings, finding{Check: check, Possible: true, Message: fmt.Sprintf(format, args...)})
}

// doctor examines how a registry and a Dockit get on.
type doctor struct {
	registry    *url.URL
	http        *http.Client
	pki         adminapi.PKI
	keys        []adminapi.Key
	dockitClock clockReading

	// issuer and bundle are what the registry is configured with, where that is
	// known.
	issuer string
	bundle string

	findings findings
}

// NewCommand makes the command doctor, with the flags of the commands above it.
func NewCommand(login *cli.LoginFlags, output *cli.OutputFlags) *cobra.Command {
	var registry, issuer, bundle string
	cmd := &cobra.Command{
		Use:   "doctor --registry URL",
		Short: "Find out why a registry does not accept Dockit's tokens",
		Long: `Find out why a registry does not accept Dockit's tokens.

Asks the registry for its challenge and compares realm and service with this Dockit, gets a
token from the realm without credentials, tries it at the registry, and compares the
clocks. No password is sent to the registry or to the realm that it names.

A registry does not say why it refuses a token. What is certain is marked WRONG; causes that
remain are marked maybe, the most likely one first, and it is one of them. The file that the
registry was given (--bundle) and the issuer that it was configured with (--issuer) leave
fewer. The exit code is 1 when something is wrong.`,
		Example: `  dockit rbac pki doctor --registry https://registry.example.com
  dockit rbac pki doctor --registry localhost:5000 --bundle /etc/registry/dockit.pem --issuer dockit`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&registry, "registry", "", "`URL` of the registry, or name=URL as --registry of api-server has it")
	flags.StringVar(&issuer, "issuer", "", "`name` that the registry has as REGISTRY_AUTH_TOKEN_ISSUER")
	flags.StringVar(&bundle, "bundle", "", "`file` that the registry has as REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE or _JWKS")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		target, err := parseRegistry(registry)
		if err != nil {
			return cli.UsageError(err)
		}
		p, err := output.Printer(cmd)
		if err != nil {
			return err
		}
		c, err := login.Client(cmd, false)
		if err != nil {
			return err
		}
		roots, err := login.Roots(cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		d := &doctor{registry: target, issuer: issuer, bundle: bundle, http: login.HTTPClient(roots)}
		d.findings = findings{Registry: target.String(), OK: true, Findings: []finding{}}
		began := startReading()
		if d.pki, err = c.PKI(cmd.Context()); err != nil {
			return err
		}
		d.dockitClock = began.read(d.pki.Time)
		for key, err := range c.Keys(cmd.Context()) {
			if err != nil {
				return err
			}
			d.keys = append(d.keys, key)
		}
		d.examine(cmd.Context())
		return printFindings(p, d.findings)
	}
	return cmd
}

// parseRegistry reads a URL, or a host as image references name it. In front of it may
// stand the service, as api-server takes it: both read the variable DOCKIT_REGISTRY.
func parseRegistry(s string) (*url.URL, error) {
	if s == "" {
		return nil, errors.New("--registry is needed: the URL of the registry")
	}
	if service, location, found := strings.Cut(s, "="); found && !strings.ContainsAny(service, "/?") {
		if strings.Contains(location, ",") {
			return nil, errors.New("--registry: that names several registries, as DOCKIT_REGISTRY may for api-server: write the URL of one")
		}
		s = location
	}
	if !strings.Contains(s, "://") {
		scheme := "https://"
		if host, _, _ := strings.Cut(s, ":"); host == "localhost" || strings.HasPrefix(host, "127.") {
			scheme = "http://"
		}
		s = scheme + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, errors.New("--registry: write https://host or http://host:port, without credentials")
	}
	u.RawQuery, u.Fragment, u.Path = "", "", strings.TrimSuffix(u.Path, "/")
	return u, nil
}

func printFindings(p *cli.Printer, f findings) error {
	err := p.One(f, map[bool]string{true: "yes", false: "no"}[f.OK], func() {
		for _, found := range f.Findings {
			mark := "WRONG "
			switch {
			case found.Possible:
				mark = "maybe "
			case found.OK && p.Quiet:
				continue
			case found.OK:
				mark = "ok    "
			}
			p.Line(mark + found.Check + ": " + found.Message)
		}
	})
	if err == nil && !f.OK {
		return &cli.Answer{Code: 1}
	}
	return err
}

// examine goes from the outside to the inside, and ends where nothing further
// can be found.
func (d *doctor) examine(ctx context.Context) {
	asked, ok := d.askRegistry(ctx)
	if !ok {
		return
	}
	known := d.compareService(asked)
	raw, ok := d.askRealm(ctx, asked, known)
	if !ok {
		return
	}
	d.tryToken(ctx, raw, asked.Service)
	d.lookAtCaches(asked)
}
