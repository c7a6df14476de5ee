package rbac

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/subject"
)

// Kinds of tokens in a listing.
const (
	kindAccess  = "access"
	kindRefresh = "refresh"
	kindSession = "session"
	kindPage    = "page"
)

// heldToken is an access token, the refresh token of a docker login, the session of a
// browser at the page, or that of a job.
type heldToken struct {
	Kind  string      `json:"kind"`
	ID    string      `json:"id"`
	Owner subject.Ref `json:"owner"`
	// Name and Networks are those of an access token, Scopes also those of a session.
	Name     string              `json:"name,omitempty"`
	Scopes   []access.Permission `json:"scopes,omitempty"`
	Networks []netip.Prefix      `json:"networks,omitempty"`
	// Service, Client and Address are those of a login, also of a job.
	Service         string    `json:"service,omitempty"`
	Client          string    `json:"client,omitempty"`
	Address         string    `json:"address,omitempty"`
	CreatedAt       time.Time `json:"created_at"`
	ExpiresAt       time.Time `json:"expires_at,omitzero"`
	RotatedAt       time.Time `json:"rotated_at,omitzero"`
	PreviousUntil   time.Time `json:"previous_until,omitzero"`
	LastUsedAt      time.Time `json:"last_used_at,omitzero"`
	LastUsedAddress string    `json:"last_used_address,omitempty"`
	LastUsedClient  string    `json:"last_used_client,omitempty"`
	// MadeBy is the id of the token that made an access token.
	MadeBy string `json:"made_by,omitempty"`
	// SessionKind, Issuer, Binding, Claims and Job are those of a session: access or
	// refresh, who let the job in by which claims, and which job it was.
	SessionKind string   `json:"session_kind,omitempty"`
	Issuer      string   `json:"issuer,omitempty"`
	Binding     string   `json:"binding,omitempty"`
	Claims      []string `json:"claims,omitempty"`
	Job         []string `json:"job,omitempty"`
}

func (r *rbac) tokenListCommand() *cobra.Command {
	var unused bool
	cmd := &cobra.Command{
		Use:   "list [REF]",
		Short: "List the access tokens, logins and sessions of a user or robot",
		Long: `List the access tokens of a user or robot by name, and then the docker logins of a user
that hold a refresh token and the browsers that are signed in at the page, the last used
first. Their secrets cannot be shown. What another token made is listed as made by that,
with which it ends.

Of a robot, the sessions that began with tokens of issuers follow, the latest first: made by
which binding of which issuer, for which job. -o json has the claims that matched as well.

With --unused and without REF, it lists the access tokens of everybody that were never used.`,
		Example: `  dockit rbac token list robot:ci
  dockit rbac token list --unused
  dockit rbac token list user:alice -o json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if unused {
				return cobra.NoArgs(cmd, args)
			}
			if len(args) == 0 {
				return errors.New("say whose tokens, or --unused for those of everybody that were never used")
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if unused {
				return r.listUnusedTokens(cmd)
			}
			owner, err := tokenOwnerArg(args[0])
			if err != nil {
				return err
			}
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			return cli.PrintList(p, heldTokens(cmd.Context(), c, owner), cli.Listing[heldToken]{
				Header: []any{"id", "kind", "name", "limits", "created", "expires", "last used", "from", "by", "made by"},
				Row: func(t heldToken) []any {
					return []any{
						t.ID, t.Kind, t.Name + t.Service, dashed(t.limits()), day(t.CreatedAt), day(t.ExpiresAt),
						day(t.LastUsedAt), dashed(t.LastUsedAddress), dashed(t.LastUsedClient), dashed(t.madeBy()),
					}
				},
				Name:  func(t heldToken) string { return t.ID },
				Empty: "no tokens of " + owner.String(),
			})
		},
	}
	cmd.Flags().BoolVar(&unused, "unused", false, "list the access tokens of everybody that were never used")
	return cmd
}

func (r *rbac) listUnusedTokens(cmd *cobra.Command) error {
	c, p, err := r.connect(cmd)
	if err != nil {
		return err
	}
	return cli.PrintList(p, c.AllAccessTokens(cmd.Context(), true), cli.Listing[adminapi.AccessToken]{
		Header: []any{"id", "owner", "name", "created", "expires", "made by"},
		Row: func(t adminapi.AccessToken) []any {
			return []any{t.ID, t.Owner, t.Name, day(t.CreatedAt), day(t.ExpiresAt), dashed(t.MadeBy)}
		},
		Name:  func(t adminapi.AccessToken) string { return t.ID },
		Empty: "every access token was used",
	})
}

// limits are the scopes and networks of a token.
func (t heldToken) limits() string {
	var limits []string
	for _, scope := range t.Scopes {
		limits = append(limits, scope.String())
	}
	for _, network := range t.Networks {
		limits = append(limits, network.String())
	}
	return strings.Join(limits, " ")
}

// madeBy is what made a token, and for which job.
func (t heldToken) madeBy() string {
	if t.Kind != kindSession {
		return t.MadeBy
	}
	return strings.Join(append([]string{t.Issuer + "/" + t.Binding}, t.Job...), " ")
}

func dashed(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// heldTokens lists the access tokens of a user or robot, and then the refresh
// tokens of a user, or the sessions of a robot.
func heldTokens(ctx context.Context, c *client.Client, owner subject.Ref) iter.Seq2[heldToken, error] {
	return func(yield func(heldToken, error) bool) {
		for t, err := range c.AccessTokens(ctx, owner, client.ListOptions{}) {
			if !yield(heldToken{
				Kind: kindAccess, ID: t.ID, Owner: t.Owner, Name: t.Name, Scopes: t.Scopes, Networks: t.Networks,
				CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, RotatedAt: t.RotatedAt, PreviousUntil: t.PreviousUntil,
				LastUsedAt: t.LastUsedAt, LastUsedAddress: t.LastUsedAddress, LastUsedClient: t.LastUsedClient,
				MadeBy: t.MadeBy,
			}, err) || err != nil {
				return
			}
		}
		if owner.Kind == subject.Robot {
			heldSessions(ctx, c, owner.Name, yield)
			return
		}
		for t, err := range c.RefreshTokens(ctx, owner.Name) {
			if !yield(heldToken{
				Kind: cmp.Or(t.Kind, kindRefresh), ID: t.ID, Owner: t.Owner, Service: t.Service, Client: t.Client, Address: t.Address,
				CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt,
				LastUsedAt: t.LastUsedAt, LastUsedAddress: t.LastUsedAddress, LastUsedClient: t.LastUsedClient,
			}, err) || err != nil {
				return
			}
		}
	}
}

func heldSessions(ctx context.Context, c *client.Client, robot string, yield func(heldToken, error) bool) {
	for n, err := range c.Sessions(ctx, robot) {
		if !yield(heldToken{
			Kind: kindSession, SessionKind: n.Kind, ID: n.ID, Owner: n.Owner, Service: n.Service, Scopes: n.Scopes, Client: n.Client, Address: n.Address,
			Issuer: n.Issuer, Binding: n.Binding, Claims: n.Claims, Job: n.Job,
			CreatedAt: n.CreatedAt, ExpiresAt: n.ExpiresAt,
			LastUsedAt: n.LastUsedAt, LastUsedAddress: n.LastUsedAddress, LastUsedClient: n.LastUsedClient,
		}, err) || err != nil {
			return
		}
	}
}
