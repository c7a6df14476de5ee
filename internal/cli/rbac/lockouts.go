package rbac

import (
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/printable"
)

func (r *rbac) lockoutsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lockouts",
		Short: "List from where wrong passwords came lately, and forget them",
		Long: `List from where wrong passwords came lately, and forget them. Too many of them for one name
from one address lock the two out for a while. Names that nobody has are not shown: they
may be passwords that were typed into the wrong field.`,
	}
	cmd.AddCommand(r.lockoutsListCommand(), r.lockoutsClearCommand())
	cli.RequireSubcommand(cmd)
	return cmd
}

func (r *rbac) lockoutsListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List from where wrong passwords came lately, and who is locked out there",
		Example: "  dockit rbac lockouts list\n  dockit rbac lockouts list -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			return cli.PrintList(p, c.Lockouts(cmd.Context()), cli.Listing[adminapi.Lockout]{
				Header: []any{"name", "network", "wrong passwords", "last", "locked out until"},
				Row: func(l adminapi.Lockout) []any {
					return []any{dashed(l.Username), dashed(l.Network), l.Failures, day(l.LastAt), day(l.Until)}
				},
				Name:  func(l adminapi.Lockout) string { return dashed(l.Username) },
				Empty: "no wrong passwords lately",
			})
		},
	}
}

func (r *rbac) lockoutsClearCommand() *cobra.Command {
	var network string
	cmd := &cobra.Command{
		Use:   "clear REF",
		Short: "Forget the wrong passwords for a user or robot",
		Long: `Forget the wrong passwords for a user or robot. An admin whose own name is locked does it
with an access token, which no lockout concerns, or lets another admin do it.`,
		Example: `  dockit rbac lockouts clear user:alice
  dockit rbac lockouts clear user:alice --network 192.0.2.1/32`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&network, "network", "", "only those from this `prefix`, as 'lockouts list' shows it (default from everywhere)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		owner, err := tokenOwnerArg(args[0])
		if err != nil {
			return err
		}
		if network != "" {
			if _, err := netip.ParsePrefix(network); err != nil {
				return cli.Usagef("--network %q: write a prefix such as 192.0.2.1/32", printable.Clip(network))
			}
		}
		c, p, err := r.connect(cmd)
		if err != nil {
			return err
		}
		cleared, err := c.ClearLockouts(cmd.Context(), owner, network)
		if err != nil {
			return err
		}
		return p.Done(map[string]any{"subject": owner, "failures": cleared}, owner.String(),
			fmt.Sprintf("forgot %d wrong passwords for %s", cleared, owner))
	}
	return cmd
}
