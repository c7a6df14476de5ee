package rbac

import (
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/subject"
)

// held is what grant and revoke print for programs: what the subject has now
// for the type and name in question, nothing if Permission is nil.
type held struct {
	Subject    subject.Ref        `json:"subject"`
	Permission *access.Permission `json:"permission"`
}

func (r *rbac) grantCommand() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:   "grant REF PERMISSION",
		Short: "Give a subject a permission, in addition to what it has",
		Long: `Give a subject a permission, in addition to what it has. Actions for the same type and
name become one permission. See 'dockit rbac --help' for how permissions are written.

With --dry-run nothing is changed: it shows who could do what in addition then.`,
		Example: `  dockit rbac grant user:alice repository:team/app:push
  dockit rbac grant group:dev 'repository:team/*:pull,delete'
  dockit rbac grant robot:ci namespace:team:push
  dockit rbac grant user:anonymous namespace:public:pull
  dockit rbac grant group:dev 'repository:team/**:push' --dry-run`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, permission, err := permissionArgs(args)
			if err != nil {
				return err
			}
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			if dry {
				tried, err := c.TryGrant(cmd.Context(), ref, permission)
				if err != nil {
					return err
				}
				printNotes(cmd, permissionNotes(ref, tried.Permission.Permission))
				return printEffects(p, ref, &tried.Permission.Permission, permission, tried.Effects)
			}
			granted, err := c.GrantWarned(cmd.Context(), ref, permission)
			if err != nil {
				return err
			}
			now := granted.Permission.Permission
			printNotes(cmd, append(permissionNotes(ref, now), granted.Warnings...))
			return p.Done(held{ref, &now}, now.String(), fmt.Sprintf("%s has %s", ref, now))
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "change nothing, and show who could do what then")
	return cmd
}

func (r *rbac) revokeCommand() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:   "revoke REF PERMISSION",
		Short: "Take a permission, or some of its actions, from a subject",
		Long: `Take a permission, or some of its actions, from a subject. Type and name are those that
were granted: what another permission or a group gives stays.

With --dry-run nothing is changed: it shows who could not do what any more then.`,
		Example: `  dockit rbac revoke user:alice repository:team/app:push
  dockit rbac revoke group:dev 'repository:team/*:*'
  dockit rbac revoke group:dev 'repository:team/*:push' --dry-run`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, permission, err := permissionArgs(args)
			if err != nil {
				return err
			}
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			if dry {
				tried, err := c.TryRevoke(cmd.Context(), ref, permission)
				if err != nil {
					return err
				}
				return printEffects(p, ref, tried.Remaining, permission, tried.Effects)
			}
			left, err := c.Revoke(cmd.Context(), ref, permission)
			if err != nil {
				return err
			}
			name := ""
			message := fmt.Sprintf("%s no longer has %s:%s of its own", ref, permission.Type, permission.Name)
			if left.Remaining != nil {
				name = left.Remaining.String()
				message = fmt.Sprintf("%s still has %s", ref, left.Remaining)
			}
			return p.Done(held{ref, left.Remaining}, name, message)
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "change nothing, and show who could not do what then")
	return cmd
}

func permissionArgs(args []string) (subject.Ref, access.Permission, error) {
	ref, err := refArg(args[0])
	if err != nil {
		return subject.Ref{}, access.Permission{}, err
	}
	permission, err := access.ParsePermission(args[1])
	return ref, permission, cli.UsageError(err)
}

func (r *rbac) permissionsCommand() *cobra.Command {
	var own bool
	cmd := &cobra.Command{
		Use:   "permissions REF",
		Short: "List what a subject may do, and where that comes from",
		Long: `List what a subject may do, and where that comes from: itself, one of its groups,
group:authenticated (everyone who logged in) or user:anonymous (everyone).`,
		Example: `  dockit rbac permissions user:alice
  dockit rbac permissions group:dev -o json
  dockit rbac permissions user:alice --own -o name`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&own, "own", false, "only what the subject itself was given")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ref, err := refArg(args[0])
		if err != nil {
			return err
		}
		c, p, err := r.connect(cmd)
		if err != nil {
			return err
		}
		if own {
			own := notedPermissions(cmd, ref, c.Permissions(cmd.Context(), ref), func(p adminapi.Permission) access.Permission { return p.Permission })
			return cli.PrintList(p, own, cli.Listing[adminapi.Permission]{
				Header: []any{"permission"},
				Row:    func(p adminapi.Permission) []any { return []any{p.Permission} },
				Name:   func(p adminapi.Permission) string { return p.Permission.String() },
				Empty:  ref.String() + " has no permissions of its own",
			})
		}
		effective := notedPermissions(cmd, ref, c.EffectivePermissions(cmd.Context(), ref), func(p adminapi.EffectivePermission) access.Permission { return p.Permission })
		return cli.PrintList(p, effective, effectiveListing(ref))
	}
	return cmd
}

// notedPermissions lists permissions and, at the end, says which of them do
// nothing for the subject.
func notedPermissions[T any](cmd *cobra.Command, ref subject.Ref, list iter.Seq2[T, error], of func(T) access.Permission) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var notes []string
		for item, err := range list {
			if !yield(item, err) {
				return
			}
			if err == nil {
				notes = append(notes, permissionNotes(ref, of(item))...)
			}
		}
		printNotes(cmd, notes)
	}
}

func effectiveListing(ref subject.Ref) cli.Listing[adminapi.EffectivePermission] {
	return cli.Listing[adminapi.EffectivePermission]{
		Header: []any{"permission", "from"},
		Row: func(e adminapi.EffectivePermission) []any {
			return []any{e.Permission, origin(ref, e.Via)}
		},
		Name:  func(e adminapi.EffectivePermission) string { return e.Permission.String() },
		Empty: ref.String() + " has no permissions",
	}
}

// origin says in words where a permission of ref comes from.
func origin(ref, via subject.Ref) string {
	switch via {
	case ref:
		return "own"
	case subject.Anonymous:
		return "everyone (" + via.String() + ")"
	case subject.Authenticated:
		return "everyone logged in (" + via.String() + ")"
	default:
		return via.String()
	}
}
