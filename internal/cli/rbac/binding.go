package rbac

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/duration"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/subject"
)

func (r *rbac) bindingCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "binding",
		Short: "Say which tokens of trusted issuers stand for which robot",
		Long: `Say which tokens of trusted issuers stand for which robot. A job or workload logs in with
its token as the password of the robot: docker login -u ci --password-stdin. With _ as
the name it takes the one binding that holds.`,
	}
	cmd.AddCommand(r.bindingAddCommand(), r.bindingListCommand(), r.bindingShowCommand(), r.bindingEnableCommand(), r.bindingDisableCommand(), r.bindingRemoveCommand())
	cli.RequireSubcommand(cmd)
	return cmd
}

func (r *rbac) bindingAddCommand() *cobra.Command {
	binding := adminapi.NewBinding{Claims: []string{}}
	var robot string
	var scopes []string
	var session time.Duration
	cmd := &cobra.Command{
		Use:   "add NAME --issuer NAME --robot robot:NAME --claim NAME=VALUE...",
		Short: "Let tokens of an issuer that meet conditions stand for a robot",
		Long: `Let tokens of an issuer that meet conditions stand for a robot, with all that it may do or,
with --scope, less.

--claim NAME=VALUE is a condition: the claim has that value. * stands for any characters
between two slashes, ** for any number of such parts. The same NAME twice means one of the
values; different NAMEs must all hold. Of a list, one element has to fit. A claim within
another is named by its path: kubernetes.io/namespace.

--expose NAME=CLAIM lets permissions of the robot name a claim: {NAME}, alone between
slashes, stands for what it says. With namespace:{k8s.namespace}:pull one binding gives
every namespace of a cluster its own. What is no component of a repository, such as a
value with a slash, stands for nothing.

Bind to ids that stay, not to names that somebody else may get one day:

` + claimsHelp() + `
What would let strangers in is refused: an issuer that signs for everybody without a
condition on whose the job is; pushing without a branch, an environment or a protected ref;
pull requests that push. --allow-unprotected takes all of it but the first.`,
		Example: `  dockit rbac binding add app-main --issuer github --robot robot:ci \
      --claim repository_id=74 --claim ref=refs/heads/main
  dockit rbac binding add pulls --issuer github --robot robot:ci --claim repository_owner_id=65 --scope namespace:team:pull
  dockit rbac binding add builder --issuer k8s-prod --robot robot:builder --session 1h \
      --claim kubernetes.io/namespace=build --claim kubernetes.io/serviceaccount/name=builder
  dockit rbac binding add cluster --issuer k8s-prod --robot robot:k8s --claim 'kubernetes.io/namespace=*' \
      --expose k8s.namespace=kubernetes.io/namespace`,
		Args: cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&binding.Issuer, "issuer", "", "`name` of the issuer")
	flags.StringVar(&robot, "robot", "", "`robot:NAME` that such tokens stand for")
	flags.StringArrayVar(&binding.Claims, "claim", nil, "condition `NAME=VALUE` (repeatable)")
	flags.StringArrayVar(&binding.Expose, "expose", nil, "let permissions say {NAME} for a claim: `NAME=CLAIM` (repeatable)")
	flags.StringArrayVar(&scopes, "scope", nil, "`permission` that the login may use at most (repeatable; default all of the robot)")
	duration.Var(flags, &session, "session", 0, "how `long` a login may last, 1m to 24h (default 6h)")
	flags.BoolVar(&binding.AllowUnprotected, "allow-unprotected", false, "take it although it lets in more jobs than is likely to be wanted")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		binding.Name = args[0]
		if err := readBinding(&binding, robot, scopes); err != nil {
			return err
		}
		binding.Session = int64(session / time.Second)
		c, p, err := r.connect(cmd)
		if err != nil {
			return err
		}
		created, err := c.CreateBinding(cmd.Context(), binding)
		if err != nil {
			return err
		}
		printNotes(cmd, created.Warnings)
		return p.Done(created, created.Name, fmt.Sprintf("added %s: tokens of %s with %s stand for %s", created.Name, created.Issuer, strings.Join(created.Claims, ", "), created.Robot))
	}
	return cmd
}

// readBinding checks what can be told without a server.
func readBinding(b *adminapi.NewBinding, robot string, scopes []string) error {
	switch {
	case b.Issuer == "":
		return cli.Usagef("no issuer: name it with --issuer")
	case robot == "":
		return cli.Usagef("no robot: name it with --robot")
	case len(b.Claims) == 0:
		return cli.Usagef("no condition: write --claim NAME=VALUE, or every token of %s would do", b.Issuer)
	}
	var err error
	if b.Robot, err = refArgOf(subject.Robot, robot); err != nil {
		return err
	}
	for _, claim := range b.Claims {
		if _, err := federation.ParseCondition(claim); err != nil {
			return cli.Usagef("--claim: %w", err)
		}
	}
	for _, exposure := range b.Expose {
		if _, err := federation.ParseExposure(exposure); err != nil {
			return cli.Usagef("--expose: %w", err)
		}
	}
	for _, scope := range scopes {
		permission, err := access.ParsePermission(scope)
		if err != nil {
			return cli.Usagef("--scope: %w", err)
		}
		b.Scopes = append(b.Scopes, permission)
	}
	return nil
}

// claimsHelp lists what to bind to, by kind.
func claimsHelp() string {
	const shown = 4
	var text strings.Builder
	for _, kind := range federation.Kinds {
		claims := kind.KnownClaims()
		for i, claim := range claims[:min(len(claims), shown)] {
			name := ""
			if i == 0 {
				name = string(kind)
			}
			fmt.Fprintf(&text, "  %-10s  %s: %s\n", name, claim.Name, claim.Help)
		}
	}
	return text.String()
}

func bindingLimits(b adminapi.Binding) string {
	return dashed(heldToken{Scopes: b.Scopes}.limits())
}

func bindingSession(b adminapi.Binding) string {
	if b.Session == 0 {
		return duration.Format(federation.DefaultSession)
	}
	return duration.Format(time.Duration(b.Session) * time.Second)
}

func bindingState(b adminapi.Binding) string {
	if b.Disabled {
		return "disabled"
	}
	return "enabled"
}

func (r *rbac) bindingListCommand() *cobra.Command {
	var options client.BindingOptions
	var robot string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the bindings by name",
		Example: `  dockit rbac binding list
  dockit rbac binding list --issuer github
  dockit rbac binding list --robot robot:ci -o name`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&options.Issuer, "issuer", "", "only those of the issuer of that `name`")
	cmd.Flags().StringVar(&robot, "robot", "", "only those that stand for `robot:NAME`")
	cmd.Flags().StringVar(&options.Prefix, "prefix", "", "only `names` that begin with this")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if robot != "" {
			ref, err := refArgOf(subject.Robot, robot)
			if err != nil {
				return err
			}
			options.Robot = ref.Name
		}
		c, p, err := r.connect(cmd)
		if err != nil {
			return err
		}
		return cli.PrintList(p, c.Bindings(cmd.Context(), options), cli.Listing[adminapi.Binding]{
			Header: []any{"name", "issuer", "robot", "state", "claims", "limits", "session"},
			Row: func(b adminapi.Binding) []any {
				return []any{b.Name, b.Issuer, b.Robot, bindingState(b), strings.Join(b.Claims, " "), bindingLimits(b), bindingSession(b)}
			},
			Name:  func(b adminapi.Binding) string { return b.Name },
			Empty: "no bindings",
		})
	}
	return cmd
}

func (r *rbac) bindingShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "Show a binding, and what there is to know about whom it lets in",
		Example: "  dockit rbac binding show app-main\n  dockit rbac binding show app-main -o yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			b, err := c.Binding(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			printNotes(cmd, b.Warnings)
			return p.One(b, b.Name, func() {
				p.Line(b.Name)
				p.Line("  issuer:  " + b.Issuer)
				p.Line("  robot:   " + b.Robot.String())
				p.Line("  state:   " + bindingState(b))
				for _, claim := range b.Claims {
					p.Line("  claim:   " + claim)
				}
				for _, exposure := range b.Expose {
					p.Line("  expose:  " + exposure)
				}
				for _, scope := range b.Scopes {
					p.Line("  scope:   " + scope.String())
				}
				p.Line("  session: " + bindingSession(b))
				if b.AllowUnprotected {
					p.Line("  taken although unprotected")
				}
			})
		},
	}
}

func (r *rbac) bindingEnableCommand() *cobra.Command {
	return r.switchBindingCommand("enable NAME", "Let tokens in by a disabled binding again",
		"Let tokens in by a disabled binding again. It is judged anew, by what its robot may do now.", false, "enabled")
}

func (r *rbac) bindingDisableCommand() *cobra.Command {
	return r.switchBindingCommand("disable NAME", "Let no tokens in by a binding, without removing it",
		"Let no tokens in by a binding, without removing it. Its sessions end.", true, "disabled")
}

func (r *rbac) switchBindingCommand(use, short, long string, disabled bool, done string) *cobra.Command {
	verb, _, _ := strings.Cut(use, " ")
	return &cobra.Command{
		Use:     use,
		Short:   short,
		Long:    long,
		Example: fmt.Sprintf("  dockit rbac binding %s app-main", verb),
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			updated, err := c.UpdateBinding(cmd.Context(), args[0], adminapi.BindingChange{Disabled: &disabled}, 0)
			if err != nil {
				return err
			}
			printNotes(cmd, updated.Warnings)
			return p.Done(updated, updated.Name, done+" "+updated.Name)
		},
	}
}

func (r *rbac) bindingRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Short:   "Remove a binding, and end its sessions",
		Example: "  dockit rbac binding remove app-main",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			if err := c.DeleteBinding(cmd.Context(), args[0], 0); err != nil {
				return err
			}
			return p.Done(map[string]any{"removed": args[0]}, args[0], "removed "+args[0])
		},
	}
}
