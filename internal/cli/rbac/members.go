package rbac

import (
	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/subject"
)

// membership is what add-member and remove-member print for programs.
type membership struct {
	Group  subject.Ref `json:"group"`
	Member subject.Ref `json:"member"`
}

func (r *rbac) addMemberCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "add-member group:NAME REF",
		Short: "Put a user or robot into a group",
		Example: `  dockit rbac add-member group:dev user:alice
  dockit rbac add-member group:dev robot:ci`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := membershipArgs(args)
			if err != nil {
				return err
			}
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			added, err := c.AddMember(cmd.Context(), m.Group, m.Member)
			if err != nil {
				return err
			}
			message := m.Member.String() + " is now in " + m.Group.String()
			if !added {
				message = m.Member.String() + " was in " + m.Group.String() + " already"
			}
			return p.Done(m, m.Member.String(), message)
		},
	}
}

func (r *rbac) removeMemberCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "remove-member group:NAME REF",
		Short:   "Take a user or robot out of a group",
		Example: "  dockit rbac remove-member group:dev user:alice",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := membershipArgs(args)
			if err != nil {
				return err
			}
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			if err := c.RemoveMember(cmd.Context(), m.Group, m.Member); err != nil {
				return err
			}
			return p.Done(m, m.Member.String(), m.Member.String()+" is no longer in "+m.Group.String())
		},
	}
}

func membershipArgs(args []string) (membership, error) {
	group, err := refArgOf(subject.Group, args[0])
	if err != nil {
		return membership{}, err
	}
	member, err := refArg(args[1])
	if err == nil && member.Kind == subject.Group {
		err = cli.Usagef("%s: groups have users and robots as members, no groups", member)
	}
	return membership{group, member}, err
}
