package rbac

import (
	"fmt"
	"regexp"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/dockerconfig"
	"github.com/dockit-registry/dockit/internal/printable"
)

// Forms in which other programs take credentials.
const (
	formatDockerConfig     cli.Format = "docker-config"
	formatKubernetesSecret cli.Format = "kubernetes-secret" //nolint:gosec // the name of a form
	formatEnv              cli.Format = "env"
)

// credentialShape says more about the form of credentials.
type credentialShape struct {
	secretName string
	namespace  string
}

func (s *credentialShape) register(flags *pflag.FlagSet) {
	flags.StringVar(&s.secretName, "secret-name", "", "with -o kubernetes-secret: its `name` (default dockit-<owner>)")
	flags.StringVar(&s.namespace, "namespace", "", "with -o kubernetes-secret: its `namespace`")
}

// kubernetesName is what a name in Kubernetes looks like (RFC 1123 subdomains).
var kubernetesName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

func (s credentialShape) check(f cli.Format) error {
	for flag, name := range map[string]string{"--secret-name": s.secretName, "--namespace": s.namespace} {
		switch {
		case name == "":
		case f != formatKubernetesSecret:
			return cli.Usagef("%s is for -o %s", flag, formatKubernetesSecret)
		case !kubernetesName.MatchString(name):
			return cli.Usagef("%s %q: names in Kubernetes are lower-case letters, digits, - and .", flag, printable.Clip(name))
		}
	}
	return nil
}

// issuedWriter writes a token that was just issued. It cannot be read again.
type issuedWriter func(issued adminapi.IssuedAccessToken, done string) error

// connectForToken makes what a command works with that gets a new token. Everything
// that could go wrong with writing it is found out before.
func (r *rbac) connectForToken(cmd *cobra.Command, shape credentialShape) (*client.Client, issuedWriter, error) {
	p, err := r.output.Printer(cmd, formatDockerConfig, formatKubernetesSecret, formatEnv)
	if err != nil {
		return nil, nil, err
	}
	if err := shape.check(p.Format); err != nil {
		return nil, nil, err
	}
	if p.Format == cli.FormatName {
		return nil, nil, cli.Usagef("output name: it would lose the token, which is shown this once: use -q for the token alone")
	}
	host, err := r.login.Registry()
	if err != nil {
		return nil, nil, cli.UsageError(err)
	}
	if r.login.RegistryURL == "" && (p.Format == formatKubernetesSecret || p.Format == formatDockerConfig) {
		cli.Warnf(cmd.ErrOrStderr(), "Warning: this is a login for %s, the address of Dockit: if the registry has another one, name it with --registry-url", host)
	}
	c, err := r.login.Client(cmd, false)
	return c, func(issued adminapi.IssuedAccessToken, done string) error {
		login := dockerconfig.Issued{Hosts: []string{string(host.Host())}, Username: issued.Owner.Name, Password: issued.Token}
		switch p.Format {
		case formatDockerConfig:
			_, err := fmt.Fprintf(p.Out, "%s\n", login.Config())
			return err
		case formatKubernetesSecret:
			manifest, err := login.PullSecret(shape.secretName, shape.namespace)
			if err != nil {
				return err
			}
			_, err = p.Out.Write(manifest)
			return err
		case formatEnv:
			_, err := fmt.Fprintf(p.Out, "DOCKIT_REGISTRY_URL=%s\nDOCKIT_USERNAME=%s\nDOCKIT_PASSWORD=%s\n", login.Hosts[0], login.Username, login.Password)
			return err
		default:
			return p.One(issued, issued.ID, func() { printIssued(p, issued, done) })
		}
	}, err
}

func printIssued(p *cli.Printer, issued adminapi.IssuedAccessToken, done string) {
	if p.Quiet {
		p.Line(issued.Token)
		return
	}
	p.Line(fmt.Sprintf("%s %s of %s, id %s", done, issued.Name, issued.Owner, issued.ID))
	limits := heldToken{Scopes: issued.Scopes, Networks: issued.Networks}.limits()
	if limits != "" {
		p.Line("  limits:  " + limits)
	}
	expires := "never"
	if !issued.ExpiresAt.IsZero() {
		expires = day(issued.ExpiresAt)
	}
	p.Line("  expires: " + expires)
	if issued.MadeBy != "" {
		p.Line("  made by: " + issued.MadeBy + ", with which it ends")
	}
	if !issued.PreviousUntil.IsZero() {
		p.Line("  the secret before it works until " + day(issued.PreviousUntil))
	}
	p.Line("  token:   " + issued.Token)
	p.Line("The token cannot be shown again.")
}
