package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/dockerconfig"
	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/internal/tokenexchange"
)

const logoutLong = `End at the server what docker's configuration has for a registry, and remove it there, from
the credential helper as well. A person's password is removed only, and sent nowhere. An access token
of a user or robot, which others may use as well, is removed only, too.

When the server cannot be reached, the login is removed all the same, and the exit code is 1:
it ends by itself when it expires, or an admin ends it.`

// unsupported is the code of RFC 7009 for a token that is not ended by who has it.
const unsupported = "unsupported_token_type"

// logout is a command.
type logout struct {
	registryFlags
	patience patience
}

// NewLogoutCommand makes the command logout.
func NewLogoutCommand() *cobra.Command {
	l := new(logout)
	cmd := &cobra.Command{
		Use:     "logout [REGISTRY]",
		Short:   "End what dockit login got, and remove it from docker's configuration",
		Long:    logoutLong,
		Example: "  dockit logout registry.example.com",
		Args:    cobra.MaximumNArgs(1),
		RunE:    l.run,
	}
	l.register(cmd)
	return cmd
}

func (l *logout) run(cmd *cobra.Command, args []string) error {
	l.patience.warnings = cmd.ErrOrStderr()
	registry, err := l.target(args)
	if err != nil {
		return err
	}
	server, _, err := l.clients(cmd)
	if err != nil {
		return err
	}
	stored, err := dockerconfig.Stored(cmd.Context(), registry.host)
	token, none := opaque.Parse(stored.Secret)
	var ended error
	switch {
	case err != nil:
		ended = err
	case none == nil:
		ended = l.end(cmd.Context(), registry, server, token)
	}
	removed, err := dockerconfig.Erase(cmd.Context(), registry.host)
	if err != nil {
		return errors.Join(ended, err)
	}
	refused, _ := errors.AsType[*tokenexchange.Refusal](ended)
	switch {
	case refused != nil && refused.Code == unsupported:
		cli.Warnf(cmd.ErrOrStderr(), "Logged out of %s: the login is removed here. It is an access token that others may use as well: 'dockit rbac token revoke %s' ends it", registry.host, token.ID())
	case ended != nil && none == nil:
		return fmt.Errorf("the login for %s is removed here, and could not be ended at the server: %w: until it expires it can be used by whoever has it; an admin ends it with 'dockit rbac token revoke %s'", registry.host, ended, token.ID())
	case ended != nil:
		return fmt.Errorf("the login for %s is removed here, and could not be ended at the server: %w", registry.host, ended)
	case !removed:
		cli.Warnf(cmd.ErrOrStderr(), "Not logged in to %s", registry.host)
	case none == nil:
		cli.Warnf(cmd.ErrOrStderr(), "Logged out of %s: the login is ended at the server, and removed here", registry.host)
	default:
		cli.Warnf(cmd.ErrOrStderr(), "Logged out of %s: the login is removed here; it is a password, and a server ends none", registry.host)
	}
	return nil
}

// end ends a token at the server of a registry.
func (l *logout) end(ctx context.Context, registry *target, server *http.Client, token opaque.Token) error {
	hint := tokenexchange.AccessToken
	if token.Kind() == opaque.Refresh {
		hint = tokenexchange.RefreshToken
	}
	return l.patience.do(ctx, func() error {
		from, err := registry.ask(ctx, server)
		if err != nil {
			return err
		}
		return explain(from, tokenexchange.Client{HTTP: server, Realm: from.realm}.Revoke(ctx, token.Reveal(), hint))
	})
}
