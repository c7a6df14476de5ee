package rbac

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/duration"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/subject"
)

func (r *rbac) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make, list, rotate and revoke access tokens, and list and revoke docker logins and sessions",
		Long: `Make, list, rotate and revoke access tokens: long-lived secrets of users and robots, used as
passwords. The only credentials of a robot are access tokens, and the sessions of jobs that
log in with the token of an issuer. Where an operator turned
refresh tokens on, the docker logins that hold one are listed and revoked here too.

Users may do this for themselves, without being admins, with their name and password.`,
	}
	cmd.AddCommand(r.tokenCreateCommand(), r.tokenListCommand(), r.tokenRotateCommand(), r.tokenRevokeCommand())
	cli.RequireSubcommand(cmd)
	return cmd
}

func (r *rbac) tokenCreateCommand() *cobra.Command {
	var name, expires string
	var scopes, networks []string
	var shape credentialShape
	cmd := &cobra.Command{
		Use:   "create REF",
		Short: "Make an access token and print it, this once",
		Long: `Make an access token and print it, this once. It is used as the password of its owner:
docker login -u ci. With --scope it may do less than its owner, never more, and does not
open the admin API. With --cidr it is refused from anywhere else. Without --name it is
called token- and the date.

What is made with an access token, or with what docker login stored, is good no longer than
that and nowhere else, and ends with it. Make tokens that are to stay with your password.

-o docker-config prints a config.json, -o kubernetes-secret the manifest of a pull secret
and -o env variables, for the registry of --registry-url. -q prints the token alone.`,
		Example: `  dockit rbac token create robot:ci --name deploy --expires 90d
  dockit rbac token create robot:ci --name pull --scope 'repository:team/*:pull' --cidr 10.0.0.0/8
  dockit rbac token create robot:ci --name k8s --registry-url registry.example.com -o kubernetes-secret | kubectl apply -f -
  dockit rbac token create user:alice --name laptop --username alice
  dockit rbac token create robot:ci -q`,
		Args: cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&name, "name", "", "`name` that tells the tokens of a subject apart (default token- and the date)")
	flags.StringVar(&expires, "expires", "", "`when` the token ends: in 90d or 12h, on 2027-01-31, or never: as late as is allowed (default)")
	flags.StringArrayVar(&scopes, "scope", nil, "`permission` that the token may use at most (repeatable; default all of its owner)")
	flags.StringArrayVar(&networks, "cidr", nil, "`network` that the token may be used from (repeatable; default everywhere)")
	shape.register(flags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		owner, err := tokenOwnerArg(args[0])
		if err != nil {
			return err
		}
		token := adminapi.NewAccessToken{Name: name}
		if token.ExpiresAt, err = cli.ParseExpiry(expires, time.Now()); err != nil {
			return cli.Usagef("--expires: %w", err)
		}
		for _, scope := range scopes {
			permission, err := access.ParsePermission(scope)
			if err != nil {
				return cli.Usagef("--scope: %w", err)
			}
			token.Scopes = append(token.Scopes, permission)
		}
		for _, network := range networks {
			prefix, err := netip.ParsePrefix(network)
			if err != nil {
				return cli.Usagef("--cidr %q: write a network such as 10.0.0.0/8 or 2001:db8::/32", printable.Clip(network))
			}
			token.Networks = append(token.Networks, prefix)
		}
		c, write, err := r.connectForToken(cmd, shape)
		if err != nil {
			return err
		}
		issued, err := c.CreateAccessToken(cmd.Context(), owner, token)
		if err != nil {
			return err
		}
		return write(issued, "made")
	}
	return cmd
}

func (r *rbac) tokenRotateCommand() *cobra.Command {
	var grace time.Duration
	var expires string
	var shape credentialShape
	cmd := &cobra.Command{
		Use:   "rotate ID",
		Short: "Replace the secret of an access token and print the new one, this once",
		Long: `Replace the secret of an access token and print the new one, this once. Name, limits and
expiry stay. With --grace the old secret keeps working for that time; without, it ends now.`,
		Example: `  dockit rbac token rotate k3v7q2mzx4ta
  dockit rbac token rotate k3v7q2mzx4ta --grace 1h --expires 90d -o docker-config`,
		Args: cobra.ExactArgs(1),
	}
	duration.Var(cmd.Flags(), &grace, "grace", 0, "how `long` the old secret keeps working, such as 1h or 7d (default not at all)")
	cmd.Flags().StringVar(&expires, "expires", "", "`when` the token ends from now on: in 90d or 12h, on 2027-01-31, or never: as late as is allowed (default as before)")
	shape.register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if grace%time.Second != 0 {
			return cli.Usagef("--grace %s: write whole seconds, such as 1s or 1h", duration.Format(grace))
		}
		rotation := adminapi.AccessTokenRotation{Grace: int(grace / time.Second)}
		if expires != "" {
			at, err := cli.ParseExpiry(expires, time.Now())
			if err != nil {
				return cli.Usagef("--expires: %w", err)
			}
			rotation.ExpiresAt = &at
		}
		c, write, err := r.connectForToken(cmd, shape)
		if err != nil {
			return err
		}
		issued, err := c.RotateAccessToken(cmd.Context(), args[0], rotation)
		if err != nil {
			return err
		}
		return write(issued, "rotated")
	}
	return cmd
}

func (r *rbac) tokenRevokeCommand() *cobra.Command {
	var all, logins, sessions bool
	var options client.RevokeOptions
	cmd := &cobra.Command{
		Use:   "revoke ID | revoke REF --all | revoke REF --logins | revoke REF --sessions",
		Short: "End an access token, a login or a session, or all of a subject",
		Long: `End an access token, the refresh token of a docker login, the session of a browser at the
page or that of a job by its id. With --all and a subject, end every one that it has; with
--logins, the docker logins and browsers of a user only, and with --sessions the sessions of
a robot.

What was made with a token ends with it: access tokens, and passwords of users that it
added. With --keep-made, which takes your password, that goes on. Either is listed.`,
		Example: `  dockit rbac token revoke k3v7q2mzx4ta
  dockit rbac token revoke k3v7q2mzx4ta --keep-made
  dockit rbac token revoke robot:ci --all
  dockit rbac token revoke user:alice --logins
  dockit rbac token revoke robot:ci --sessions`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&all, "all", false, "end every access token, login and session of a subject")
	cmd.Flags().BoolVar(&logins, "logins", false, "end every docker login of a user, and every session at the page")
	cmd.Flags().BoolVar(&sessions, "sessions", false, "end every session of a robot")
	cmd.Flags().BoolVar(&options.KeepMade, "keep-made", false, "let what was made with it go on (takes a password)")
	cmd.MarkFlagsMutuallyExclusive("all", "logins", "sessions")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if all || logins || sessions {
			owner, err := tokenOwnerArg(args[0])
			switch {
			case err != nil:
				return err
			case sessions:
				return r.revokeSessions(cmd, owner)
			}
			return r.revokeAll(cmd, owner, logins, options)
		}
		id := args[0]
		if strings.Contains(id, ":") {
			return cli.Usagef("%s: add --all to end every token of it, or name one by its id, which 'token list' shows", printable.Clip(id))
		}
		c, p, err := r.connect(cmd)
		if err != nil {
			return err
		}
		became, err := revokeToken(cmd, c, id, options)
		if err != nil {
			return err
		}
		return printRevoked(p, []string{id}, became, id, "revoked "+id)
	}
	return cmd
}

// printRevoked says what was revoked, and what became of what that had made.
func printRevoked(p *cli.Printer, ids []string, became adminapi.RevokedToken, name, done string) error {
	texts := []string{done}
	for _, one := range became.Ended {
		texts = append(texts, "  ended with it: "+madeText(one))
	}
	for _, one := range became.Kept {
		texts = append(texts, "  kept: "+madeText(one))
	}
	if became.Cut {
		texts = append(texts, "  and more: 'rbac audit' has their number")
	}
	return p.Done(struct {
		Revoked []string `json:"revoked"`
		adminapi.RevokedToken
	}{ids, became}, name, strings.Join(texts, "\n"))
}

func madeText(m adminapi.MadeCredential) string {
	if m.AccessToken == "" {
		return "the password of " + m.Owner.String()
	}
	return fmt.Sprintf("access token %s (%s) of %s", m.AccessToken, m.Name, m.Owner)
}

// revokeToken ends a token of any kind. A caller who is no admin does not
// learn whether there is an access token of that id, so it may be a refresh token
// as well.
func revokeToken(cmd *cobra.Command, c *client.Client, id string, options client.RevokeOptions) (adminapi.RevokedToken, error) {
	became, err := c.RevokeAccessToken(cmd.Context(), id, options)
	if !errors.Is(err, client.ErrNotFound) && !errors.Is(err, client.ErrForbidden) {
		return became, err
	}
	became, err = c.RevokeRefreshToken(cmd.Context(), id, options)
	if !errors.Is(err, client.ErrNotFound) && !errors.Is(err, client.ErrForbidden) {
		return became, err
	}
	// Who is no admin has no session, and hears of the token.
	if ended := c.RevokeSession(cmd.Context(), id); !errors.Is(ended, client.ErrNotFound) && !errors.Is(ended, client.ErrForbidden) {
		return adminapi.RevokedToken{}, ended
	}
	return became, err
}

func (r *rbac) revokeSessions(cmd *cobra.Command, owner subject.Ref) error {
	if owner.Kind != subject.Robot {
		return cli.Usagef("%s: only robots have sessions; --logins ends the docker logins of a user", owner)
	}
	c, p, err := r.connect(cmd)
	if err != nil {
		return err
	}
	revoked, err := c.RevokeSessions(cmd.Context(), owner.Name)
	if err != nil {
		return err
	}
	return p.Done(adminapi.RevokedSessions{Revoked: revoked}, owner.String(), fmt.Sprintf("ended %d sessions of %s", revoked, owner))
}

func (r *rbac) revokeAll(cmd *cobra.Command, owner subject.Ref, logins bool, options client.RevokeOptions) error {
	if logins && owner.Kind != subject.User {
		return cli.Usagef("%s: only users have logins; --sessions ends the sessions of a robot", owner)
	}
	c, p, err := r.connect(cmd)
	if err != nil {
		return err
	}
	var held []heldToken
	for token, err := range heldTokens(cmd.Context(), c, owner) {
		if err != nil {
			return err
		}
		if !logins || token.Kind == kindRefresh || token.Kind == kindPage {
			held = append(held, token)
		}
	}
	revoked := make([]string, 0, len(held))
	var all adminapi.RevokedToken
	for _, token := range held {
		var became adminapi.RevokedToken
		switch token.Kind {
		case kindAccess:
			became, err = c.RevokeAccessToken(cmd.Context(), token.ID, options)
		case kindRefresh, kindPage:
			became, err = c.RevokeRefreshToken(cmd.Context(), token.ID, options)
		default:
			err = c.RevokeSession(cmd.Context(), token.ID)
		}
		// One that ended by itself in between is what was asked for.
		if err != nil && !errors.Is(err, client.ErrNotFound) {
			return fmt.Errorf("after %d of %d tokens of %s were revoked: %w", len(revoked), len(held), owner, err)
		}
		revoked = append(revoked, token.ID)
		all.Ended, all.Kept, all.Cut = append(all.Ended, became.Ended...), append(all.Kept, became.Kept...), all.Cut || became.Cut
	}
	return printRevoked(p, revoked, all, owner.String(), fmt.Sprintf("revoked %d of %s", len(revoked), owner))
}

// tokenOwnerArg reads a subject that can have tokens.
func tokenOwnerArg(arg string) (subject.Ref, error) {
	owner, err := refArg(arg)
	if err == nil && owner.Kind == subject.Group {
		err = cli.Usagef("%s: users and robots log in, groups do not", owner)
	}
	return owner, err
}
