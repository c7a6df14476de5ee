package rbac

import (
	"context"
	"iter"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/subject"
)

// Kinds of tokens in a listing.
const (
	kindAccess  = "access"
	kindRefresh = "refresh"
)

// heldToken is an access token, or the refresh token of a docker login.
type heldToken struct {
	Kind  string      `json:"kind"`
	ID    string      `json:"id"`
	Owner subject.Ref `json:"owner"`
	// Name, Scopes and Networks are those of an access token.
	Name     string              `json:"name,omitempty"`
	Scopes   []access.Permission `json:"scopes,omitempty"`
	Networks []netip.Prefix      `json:"networks,omitempty"`
	// Service, Client and Address are those of a docker login.
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
}

func (r *rbac) tokenListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list REF",
		Short: "List the access tokens and docker logins of a user or robot",
		Long: `List the access tokens of a user or robot by name, and then the docker logins of a user
that hold a refresh token, the last used first. Their secrets cannot be shown. What another
token made is listed as made by that, with which it ends.`,
		Example: `  dockit rbac token list robot:ci
  dockit rbac token list user:alice -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
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
						day(t.LastUsedAt), dashed(t.LastUsedAddress), dashed(t.LastUsedClient), dashed(t.MadeBy),
					}
				},
				Name:  func(t heldToken) string { return t.ID },
				Empty: "no tokens of " + owner.String(),
			})
		},
	}
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

func dashed(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// heldTokens lists the access tokens of a user or robot, and then the refresh
// tokens of a user.
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
		if owner.Kind != subject.User {
			return
		}
		for t, err := range c.RefreshTokens(ctx, owner.Name) {
			if !yield(heldToken{
				Kind: kindRefresh, ID: t.ID, Owner: t.Owner, Service: t.Service, Client: t.Client, Address: t.Address,
				CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt,
				LastUsedAt: t.LastUsedAt, LastUsedAddress: t.LastUsedAddress, LastUsedClient: t.LastUsedClient,
			}, err) || err != nil {
				return
			}
		}
	}
}
