package rbac

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/subject"
)

func (r *rbac) addCommand() *cobra.Command {
	var admin bool
	cmd := &cobra.Command{
		Use:   "add REF",
		Short: "Add a user, a robot or a group",
		Long: `Add a user, a robot or a group. It may do nothing yet beyond what everyone may.

A user needs a password of at least 12 characters without white space around them: it is
read from standard input with --password-stdin, else asked for. Your own credentials then
come from DOCKIT_USERNAME and DOCKIT_PASSWORD (or DOCKIT_PASSWORD_FILE), or from the terminal.`,
		Example: `  dockit rbac add user:alice
  printf %s "$PASSWORD" | dockit rbac add user:alice --password-stdin
  dockit rbac add user:bob --admin
  dockit rbac add robot:ci
  dockit rbac add group:dev`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&admin, "admin", false, "let the user use the admin API")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ref, err := refArg(args[0])
		if err != nil {
			return err
		}
		if ref.Kind != subject.User && (admin || r.login.PasswordStdin) {
			return cli.Usagef("%s: only users can be admins and have passwords", ref)
		}
		c, p, err := r.connectWith(cmd, ref.Kind == subject.User)
		if err != nil {
			return err
		}
		created, err := r.add(cmd, c, ref, admin)
		if err != nil {
			return err
		}
		done := "added " + ref.String()
		if created.PasswordMadeBy != "" {
			done += "\n  password: " + passwordText(created)
		}
		return p.Done(created, ref.String(), done)
	}
	return cmd
}

func (r *rbac) add(cmd *cobra.Command, c *client.Client, ref subject.Ref, admin bool) (adminapi.Subject, error) {
	switch ref.Kind {
	case subject.Robot:
		return c.CreateRobot(cmd.Context(), adminapi.NewSubject{Name: ref.Name})
	case subject.Group:
		return c.CreateGroup(cmd.Context(), adminapi.NewSubject{Name: ref.Name})
	default:
		pw, err := r.login.NewPassword(cmd, ref.String())
		if err != nil {
			return adminapi.Subject{}, err
		}
		return c.CreateUser(cmd.Context(), adminapi.NewUser{Name: ref.Name, Password: pw, Admin: admin})
	}
}

func (r *rbac) removeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "remove REF",
		Short:   "Remove a user, a robot or a group with its memberships and permissions",
		Long:    "Remove a user, a robot or a group with its memberships and permissions, and the bindings of a\nrobot, which are listed.",
		Example: "  dockit rbac remove user:alice",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := refArg(args[0])
			if err != nil {
				return err
			}
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			removed, err := c.Remove(cmd.Context(), ref, 0)
			if err != nil {
				return err
			}
			return printRemoved(p, ref.String(), removed)
		},
	}
}

func (r *rbac) enableCommand() *cobra.Command {
	return r.switchCommand("enable REF", "Let a disabled user or robot log in again, or a group count again",
		`Let a disabled user or robot log in again, or a group count again. The docker logins that
'disable' ended do not come back, nor does what the subject's tokens had made.`, false, "enabled")
}

func (r *rbac) disableCommand() *cobra.Command {
	return r.switchCommand("disable REF", "Keep a user or robot from logging in, or a group from giving anything, without removing it",
		`Keep a user or robot from logging in, or a group from giving anything, without removing it.
The docker logins of a user end for good, and so does what the subject's tokens made:
'enable' does not bring them back.`, true, "disabled")
}

func (r *rbac) switchCommand(use, short, long string, disabled bool, done string) *cobra.Command {
	verb, _, _ := strings.Cut(use, " ")
	return &cobra.Command{
		Use:     use,
		Short:   short,
		Long:    long,
		Example: fmt.Sprintf("  dockit rbac %s user:alice", verb),
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := refArg(args[0])
			if err != nil {
				return err
			}
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			updated, err := c.Update(cmd.Context(), ref, adminapi.SubjectChange{Disabled: &disabled}, 0)
			if err != nil {
				return err
			}
			return p.Done(updated, ref.String(), done+" "+ref.String())
		},
	}
}

func (r *rbac) changePasswordCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "change-password user:NAME",
		Short: "Set a user's password",
		Long: `Set a user's password, at least 12 characters without white space around them: it is read
from standard input with --password-stdin, else asked for. Your own credentials then come from DOCKIT_USERNAME and
DOCKIT_PASSWORD (or DOCKIT_PASSWORD_FILE), or from the terminal.`,
		Example: `  dockit rbac change-password user:alice
  printf %s "$PASSWORD" | dockit rbac change-password user:alice --password-stdin`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := refArgOf(subject.User, args[0])
			if err != nil {
				return err
			}
			c, p, err := r.connectWith(cmd, true)
			if err != nil {
				return err
			}
			pw, err := r.login.NewPassword(cmd, ref.String())
			if err != nil {
				return err
			}
			if err := c.SetPassword(cmd.Context(), ref.Name, pw); err != nil {
				return err
			}
			return p.Done(map[string]any{"changed": ref}, ref.String(), "changed the password of "+ref.String())
		},
	}
}

func (r *rbac) listCommand() *cobra.Command {
	var prefix, search string
	var admins, disabled bool
	cmd := &cobra.Command{
		Use:   "list users|robots|groups",
		Short: "List users, robots or groups by name",
		Example: `  dockit rbac list users
  dockit rbac list groups --prefix team- -o json
  dockit rbac list users --search smith
  dockit rbac list users --admin
  dockit rbac list robots --disabled -o name`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&prefix, "prefix", "", "only `names` that begin with this")
	cmd.Flags().StringVar(&search, "search", "", "only `names` that hold this anywhere")
	cmd.Flags().BoolVar(&admins, "admin", false, "only admins; --admin=false for the others")
	cmd.Flags().BoolVar(&disabled, "disabled", false, "only disabled ones; --disabled=false for the others")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		kind, err := collectionArg(args[0])
		if err != nil {
			return err
		}
		c, p, err := r.connect(cmd)
		if err != nil {
			return err
		}
		options := client.ListOptions{Prefix: prefix, Search: search}
		if cmd.Flags().Changed("admin") {
			options.Admin = &admins
		}
		if cmd.Flags().Changed("disabled") {
			options.Disabled = &disabled
		}
		return cli.PrintList(p, c.Subjects(cmd.Context(), kind, options), subjectListing(kind))
	}
	return cmd
}

func collectionArg(arg string) (subject.Kind, error) {
	for _, kind := range subject.Kinds {
		if arg == kind.Plural() {
			return kind, nil
		}
	}
	return "", cli.Usagef("%q cannot be listed: use users, robots or groups", printable.Clip(arg))
}

func subjectListing(kind subject.Kind) cli.Listing[adminapi.Subject] {
	l := cli.Listing[adminapi.Subject]{
		Header: []any{"name", "state", "created"},
		Row:    func(s adminapi.Subject) []any { return []any{s.Name, stateOf(s), created(s)} },
		Name:   func(s adminapi.Subject) string { return s.Ref().String() },
		Empty:  "no " + kind.Plural(),
	}
	if kind == subject.User {
		l.Header = []any{"name", "state", "admin", "password", "created"}
		l.Row = func(s adminapi.Subject) []any {
			return []any{s.Name, stateOf(s), yesNo(s.Admin), yesNo(s.HasPassword), created(s)}
		}
	}
	return l
}

func stateOf(s adminapi.Subject) string {
	switch {
	case s.BuiltIn:
		return "built in"
	case s.Disabled:
		return "disabled"
	default:
		return "enabled"
	}
}

func created(s adminapi.Subject) string {
	if s.BuiltIn {
		return "-"
	}
	return s.CreatedAt.Local().Format("2006-01-02 15:04")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// shown is everything that `show` prints about a subject.
type shown struct {
	adminapi.Subject
	Groups      []subject.Ref                  `json:"groups,omitempty"`
	Members     []subject.Ref                  `json:"members,omitempty"`
	Bindings    []string                       `json:"bindings,omitempty"`
	Permissions []adminapi.EffectivePermission `json:"effective_permissions"`
}

func (r *rbac) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show REF",
		Short: "Show a user, a robot or a group with its groups or members and what it may do",
		Example: `  dockit rbac show user:alice
  dockit rbac show group:dev -o yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := refArg(args[0])
			if err != nil {
				return err
			}
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			s, err := collectShown(cmd.Context(), c, ref)
			if err != nil {
				return err
			}
			return p.One(s, ref.String(), func() { printShown(p, s) })
		},
	}
}

func collectShown(ctx context.Context, c *client.Client, ref subject.Ref) (shown, error) {
	s := shown{Permissions: []adminapi.EffectivePermission{}}
	var err error
	if s.Subject, err = c.Subject(ctx, ref); err != nil {
		return s, err
	}
	related, into := c.Groups(ctx, ref), &s.Groups
	if ref.Kind == subject.Group {
		related, into = c.Members(ctx, ref, client.ListOptions{}), &s.Members
	}
	for one, err := range related {
		if err != nil {
			return s, err
		}
		*into = append(*into, one.Ref())
	}
	if ref.Kind == subject.Robot {
		for binding, err := range c.Bindings(ctx, client.BindingOptions{Robot: ref.Name}) {
			if err != nil {
				return s, err
			}
			s.Bindings = append(s.Bindings, binding.Name)
		}
	}
	for permission, err := range c.EffectivePermissions(ctx, ref) {
		if err != nil {
			return s, err
		}
		s.Permissions = append(s.Permissions, permission)
	}
	return s, nil
}

func printShown(p *cli.Printer, s shown) {
	p.Line(s.Ref().String())
	p.Line("  state:    " + stateOf(s.Subject))
	if s.Kind == subject.User && !s.BuiltIn {
		p.Line("  admin:    " + yesNo(s.Admin))
		p.Line("  password: " + passwordText(s.Subject))
	}
	p.Line("  created:  " + created(s.Subject))
	if len(s.Groups) > 0 {
		p.Line("  groups:   " + joinRefs(s.Groups))
	}
	if len(s.Members) > 0 {
		p.Line("  members:  " + joinRefs(s.Members))
	}
	if len(s.Bindings) > 0 {
		p.Line("  bindings: " + strings.Join(s.Bindings, ", "))
	}
	p.Line("")
	// A table of what was read already has nothing left to fail on.
	_ = cli.PrintList(p, cli.ValuesOf(s.Permissions), effectiveListing(s.Ref()))
}

// passwordText says whether there is a password, and what limits it.
func passwordText(s adminapi.Subject) string {
	text := yesNo(s.HasPassword)
	if s.PasswordMadeBy == "" {
		return text
	}
	text += ", set by the token " + s.PasswordMadeBy + ", with which it ends"
	if len(s.PasswordNetworks) > 0 {
		text += ", good in " + heldToken{Networks: s.PasswordNetworks}.limits()
	}
	if !s.PasswordExpiresAt.IsZero() {
		text += ", good until " + day(s.PasswordExpiresAt)
	}
	return text
}

func joinRefs(refs []subject.Ref) string {
	names := make([]string, len(refs))
	for i, ref := range refs {
		names[i] = ref.String()
	}
	return strings.Join(names, ", ")
}
