package rbac

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/duration"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/subject"
)

func (r *rbac) issuerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "issuer",
		Short: "Trust issuers of OpenID Connect tokens: CI systems and clusters whose jobs log in without a stored secret",
		Long: `Trust issuers of OpenID Connect tokens: GitHub, a GitLab, a Kubernetes cluster and others,
which sign for each job or workload a token that says who it is. Trust alone lets nobody
in: 'binding add' says which tokens stand for which robot.`,
	}
	cmd.AddCommand(
		r.issuerAddCommand(), r.issuerListCommand(), r.issuerShowCommand(), r.issuerEnableCommand(), r.issuerDisableCommand(),
		r.issuerRemoveCommand(), r.issuerRefreshCommand(), r.issuerTryCommand(),
	)
	cli.RequireSubcommand(cmd)
	return cmd
}

func (r *rbac) issuerAddCommand() *cobra.Command {
	var issuer adminapi.NewIssuer
	var jwks, caFile string
	var maxAge time.Duration
	cmd := &cobra.Command{
		Use:   "add NAME --url URL",
		Short: "Trust an issuer, once it has shown its keys",
		Long: `Trust an issuer, once it has shown its keys. The URL is the iss of its tokens, to the byte:
https://token.actions.githubusercontent.com, https://gitlab.example.com, or what
'kubectl get --raw /.well-known/openid-configuration' calls issuer. The server finds the
keys below it by discovery. Where it cannot, --jwks names their URL, or holds them: a file,
or - for standard input.

A token for a service must have the name of that service as its audience (aud), or https://
and that name, and no other. With --audience it is any of those instead, for every service:
give each of two clusters with the same URL one of its own.

--kind says what the claims mean: ` + kindList() + `.
It is found by the URL where that is known, and generic otherwise.

--ca-file is that of the issuer here, sent to the server; the authorities by which your own
connection is verified come from DOCKIT_CA_FILE. --bearer-file is a file on the server.`,
		Example: `  dockit rbac issuer add github --url https://token.actions.githubusercontent.com --kind github
  dockit rbac issuer add gitlab --url https://gitlab.example.com --kind gitlab --max-age 1h
  kubectl get --raw /openid/v1/jwks | dockit rbac issuer add k8s-prod --kind kubernetes \
      --url https://kubernetes.default.svc --audience registry-prod --jwks -
  dockit rbac issuer add k8s --kind kubernetes --url https://kubernetes.default.svc --ca-file ca.crt \
      --bearer-file /var/run/secrets/kubernetes.io/serviceaccount/token`,
		Args: cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&issuer.URL, "url", "", "`URL` of the issuer: the iss of its tokens")
	flags.StringVar(&issuer.Kind, "kind", "", "what `kind` of issuer it is (default by the URL, else generic)")
	flags.StringArrayVar(&issuer.Audiences, "audience", nil, "what its tokens must name as `audience`, for any service (repeatable; default the service itself)")
	flags.StringVar(&jwks, "jwks", "", "where its keys are: a `file`, a URL, or - for standard input (default by discovery)")
	flags.StringVar(&issuer.JWKSHost, "jwks-host", "", "a `host` beside its own on which the keys may stand that discovery names")
	flags.StringVar(&caFile, "ca-file", "", "PEM `file` with the authorities that alone may vouch for the issuer (default those of the server's system)")
	flags.StringVar(&issuer.BearerFile, "bearer-file", "", "`file` on the server with a token that is shown to the issuer when its keys are fetched")
	duration.Var(flags, &maxAge, "max-age", 0, "how `long` ago a token may have been issued (default 24h)")
	cli.WithoutEnvironment(flags, "ca-file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		issuer.Name = args[0]
		if issuer.URL == "" {
			return cli.Usagef("no URL: name the iss of the issuer's tokens with --url")
		}
		if issuer.Kind == "" {
			issuer.Kind = string(federation.KindOf(issuer.URL))
		}
		if _, err := federation.ParseKind(issuer.Kind); err != nil {
			return cli.Usagef("--kind: %w", err)
		}
		issuer.MaxAge = int64(maxAge / time.Second)
		if err := r.readKeys(cmd, jwks, &issuer); err != nil {
			return err
		}
		if caFile != "" {
			content, err := readSmall(cmd, caFile, federation.MaxCA)
			if err != nil {
				return fmt.Errorf("--ca-file: %w", err)
			}
			issuer.CA = string(content)
		}
		if err := r.login.CAFileFromEnvironment(); err != nil {
			return err
		}
		c, p, err := r.connectWith(cmd, jwks == "-")
		if err != nil {
			return err
		}
		created, err := c.CreateIssuer(cmd.Context(), issuer)
		if err != nil {
			return err
		}
		return p.Done(created, created.Name, fmt.Sprintf("trusts %s: %s, %s\n  next: 'binding add' says which of its tokens stand for a robot", created.Name, created.URL, keysText(created.Keys)))
	}
	return cmd
}

// readKeys takes --jwks for what it is: a URL, or a file.
func (r *rbac) readKeys(cmd *cobra.Command, jwks string, into *adminapi.NewIssuer) error {
	switch {
	case jwks == "":
		return nil
	case strings.Contains(jwks, "://"):
		into.JWKSURL = jwks
		return nil
	case jwks == "-" && r.login.PasswordStdin:
		return cli.Usagef("standard input cannot hold both the keys and the password: set DOCKIT_PASSWORD_FILE")
	}
	content, err := readSmall(cmd, jwks, federation.MaxStaticKeys)
	if err != nil {
		return fmt.Errorf("--jwks: %w", err)
	}
	into.JWKS = strings.TrimSpace(string(content))
	return nil
}

// readSmall reads a file of at most so many bytes, or standard input for -.
func readSmall(cmd *cobra.Command, path string, most int) ([]byte, error) {
	content, err := readInput(cmd, path, int64(most)+1)
	if err == nil && len(content) > most {
		err = fmt.Errorf("%s has more than %d KiB", path, most>>10)
	}
	return content, err
}

func kindList() string {
	names := make([]string, len(federation.Kinds))
	for i, kind := range federation.Kinds {
		names[i] = string(kind)
	}
	return strings.Join(names, ", ")
}

func keysText(keys adminapi.IssuerKeys) string {
	if len(keys.IDs) == 1 {
		return "1 key"
	}
	return fmt.Sprintf("%d keys", len(keys.IDs))
}

// issuerState says in words whether the tokens of an issuer are taken.
func issuerState(i adminapi.Issuer) string {
	switch {
	case i.Disabled:
		return "disabled"
	case !i.Keys.AwaySince.IsZero():
		return "away since " + day(i.Keys.AwaySince)
	case len(i.Keys.IDs) == 0:
		return "no keys"
	default:
		return "enabled"
	}
}

func (r *rbac) issuerListCommand() *cobra.Command {
	var prefix string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the trusted issuers, and which of them are away",
		Example: "  dockit rbac issuer list\n  dockit rbac issuer list -o json",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&prefix, "prefix", "", "only `names` that begin with this")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, p, err := r.connect(cmd)
		if err != nil {
			return err
		}
		return cli.PrintList(p, c.Issuers(cmd.Context(), client.ListOptions{Prefix: prefix}), cli.Listing[adminapi.Issuer]{
			Header: []any{"name", "kind", "state", "keys", "fetched", "url"},
			Row: func(i adminapi.Issuer) []any {
				return []any{i.Name, i.Kind, issuerState(i), len(i.Keys.IDs), day(i.Keys.FetchedAt), i.URL}
			},
			Name:  func(i adminapi.Issuer) string { return i.Name },
			Empty: "no issuers are trusted",
		})
	}
	return cmd
}

func (r *rbac) issuerEnableCommand() *cobra.Command {
	return r.switchIssuerCommand("enable NAME", "Take the tokens of a disabled issuer again", false, "enabled")
}

func (r *rbac) issuerDisableCommand() *cobra.Command {
	return r.switchIssuerCommand("disable NAME", "Take no tokens of an issuer, and end its sessions, without removing it and its bindings", true, "disabled")
}

func (r *rbac) switchIssuerCommand(use, short string, disabled bool, done string) *cobra.Command {
	verb, _, _ := strings.Cut(use, " ")
	return &cobra.Command{
		Use:     use,
		Short:   short,
		Example: fmt.Sprintf("  dockit rbac issuer %s github", verb),
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			updated, err := c.UpdateIssuer(cmd.Context(), args[0], adminapi.IssuerChange{Disabled: &disabled}, 0)
			if err != nil {
				return err
			}
			return p.Done(updated, updated.Name, done+" "+updated.Name)
		},
	}
}

func (r *rbac) issuerRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Short:   "Trust an issuer no more, and remove its bindings",
		Long:    "Trust an issuer no more, and remove its bindings, which are listed. Its sessions end.",
		Example: "  dockit rbac issuer remove github",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			removed, err := c.DeleteIssuer(cmd.Context(), args[0], 0)
			if err != nil {
				return err
			}
			return printRemoved(p, args[0], removed)
		},
	}
}

// printRemoved says what was removed, and which bindings went with it.
func printRemoved(p *cli.Printer, name string, removed adminapi.Removed) error {
	texts := []string{"removed " + name}
	for _, binding := range removed.Bindings {
		texts = append(texts, "  removed with it: binding "+binding)
	}
	document := map[string]any{"removed": name}
	if len(removed.Bindings) > 0 {
		document["bindings"] = removed.Bindings
	}
	return p.Done(document, name, strings.Join(texts, "\n"))
}

func (r *rbac) issuerRefreshCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "refresh NAME",
		Short: "Ask an issuer for its keys now",
		Long: `Ask an issuer for its keys now, instead of within a few minutes. Keys that it does not
publish any more count for nothing from then on. When it does not answer, those that are
known go on to count.`,
		Example: "  dockit rbac issuer refresh github",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			refreshed, err := c.RefreshIssuer(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return p.Done(refreshed, refreshed.Name, fmt.Sprintf("%s has %s", refreshed.Name, keysText(refreshed.Keys)))
		},
	}
}

// issuerTryInput is the largest token that is read, in bytes: the server takes none
// of more.
const issuerTryInput = 24_576 + 2

func (r *rbac) issuerTryCommand() *cobra.Command {
	var service, robot string
	cmd := &cobra.Command{
		Use:   "try [FILE|-]",
		Short: "Say how a token would fare, condition by condition, and what to change",
		Long: `Read a token of an issuer from a file, or from standard input, and say how a login with it
would fare: what of the token itself is wrong, which binding holds and what the robot may
do, or condition by condition what does not hold. Nothing is recorded. The answer is also
the exit code: 0 it would succeed, 1 it would not.`,
		Example: `  dockit rbac issuer try token.jwt
  printf %s "$DOCKIT_ID_TOKEN" | dockit rbac issuer try --service registry.example.com
  kubectl create token builder --audience registry.example.com | dockit rbac issuer try`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringVar(&service, "service", "", "the `service` to log in to (default the first that the server has)")
	cmd.Flags().StringVar(&robot, "robot", "", "the `robot:NAME` to log in as (default whichever it stands for)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path := "-"
		if len(args) > 0 {
			path = args[0]
		}
		if path == "-" && r.login.PasswordStdin {
			return cli.Usagef("standard input cannot hold both the token and the password: set DOCKIT_PASSWORD_FILE")
		}
		if _, err := os.Stat(path); err != nil && strings.HasPrefix(path, "ey") {
			return cli.Usagef("the token itself would stand in the history of the shell and in the list of processes: write it to standard input")
		}
		token, err := readSmall(cmd, path, issuerTryInput)
		if err != nil {
			return err
		}
		trial := adminapi.TokenTrial{Token: strings.TrimSpace(string(token)), Service: service}
		if robot != "" {
			ref, err := refArgOf(subject.Robot, robot)
			if err != nil {
				return err
			}
			trial.Username = ref.Name
		}
		if trial.Token == "" {
			return fmt.Errorf("%s is empty: there is no token", path)
		}
		c, p, err := r.connectWith(cmd, path == "-")
		if err != nil {
			return err
		}
		result, err := c.TryToken(cmd.Context(), trial)
		if err != nil {
			return err
		}
		return printTrial(p, result)
	}
	return cmd
}
