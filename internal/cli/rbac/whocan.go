package rbac

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/subject"
)

func (r *rbac) whoCanCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "who-can ACTIONS REPOSITORY",
		Short: "List who may do something to a repository, and by which permission",
		Long: `List who may do something to a repository, and by which permission. A group stands for its
members; group:authenticated is everyone who logged in, and user:anonymous everyone.
ACTIONS are pull, push and delete, separated by commas, or *: one permission must give all
of them. What one subject may do by several permissions together, can-i says.`,
		Example: `  dockit rbac who-can push team/app
  dockit rbac who-can pull,delete team/app -o json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			actions, err := access.ParseActions(args[0])
			if err != nil {
				return cli.UsageError(err)
			}
			if err := access.ValidateRepository(args[1]); err != nil {
				return cli.UsageError(err)
			}
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			return cli.PrintList(p, c.Holders(cmd.Context(), args[1], actions), cli.Listing[adminapi.Holder]{
				Header: []any{"subject", "permission", "note"},
				Row:    func(h adminapi.Holder) []any { return []any{h.Subject, h.Permission, dashed(holderNote(h))} },
				Name:   func(h adminapi.Holder) string { return h.Subject.String() },
				Empty:  fmt.Sprintf("no permission lets anyone %s %s", strings.Join(actions.List(), ", "), args[1]),
			})
		},
	}
}

// holderNote says for whom a permission counts where the subject does not say it.
func holderNote(h adminapi.Holder) string {
	switch {
	case h.Disabled:
		return "disabled: counts for nothing"
	case h.Subject.Kind == subject.Group && strings.Contains(h.Permission.Name, "{username}"):
		return "only the member of that name"
	case h.Subject == subject.Authenticated:
		return "everyone logged in"
	case h.Subject == subject.Anonymous:
		return "everyone"
	default:
		return ""
	}
}
