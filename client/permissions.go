package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/subject"
)

// Permissions lists what a subject itself was given. Error: [ErrNotFound].
func (c *Client) Permissions(ctx context.Context, ref subject.Ref) iter.Seq2[adminapi.Permission, error] {
	return pages[adminapi.Permission](ctx, c, pathOf(ref)+"/permissions", ListOptions{})
}

// EffectivePermissions lists what a subject can use, and where it comes from:
// itself, its groups, and what everyone has. Error: [ErrNotFound].
func (c *Client) EffectivePermissions(ctx context.Context, ref subject.Ref) iter.Seq2[adminapi.EffectivePermission, error] {
	return pages[adminapi.EffectivePermission](ctx, c, pathOf(ref)+"/effective-permissions", ListOptions{})
}

// Grant gives a subject a permission, in addition to what it has, and returns
// what it has now for that type and name. Errors: [ErrNotFound], [ErrInvalid],
// [ErrTooMany].
func (c *Client) Grant(ctx context.Context, ref subject.Ref, permission access.Permission) (access.Permission, error) {
	held, err := c.GrantWarned(ctx, ref, permission)
	return held.Permission.Permission, err
}

// GrantWarned is [Client.Grant] that also returns what the server warns of.
func (c *Client) GrantWarned(ctx context.Context, ref subject.Ref, permission access.Permission) (adminapi.Granted, error) {
	var held adminapi.Granted
	_, err := c.do(ctx, request{method: http.MethodPost, path: pathOf(ref) + "/permissions", body: adminapi.Permission{Permission: permission}}, &held)
	return held, err
}

// TryGrant asks what [Client.Grant] would do to whom. It changes nothing. Errors: those
// of that.
func (c *Client) TryGrant(ctx context.Context, ref subject.Ref, permission access.Permission) (adminapi.Granted, error) {
	var held adminapi.Granted
	_, err := c.do(ctx, request{
		method: http.MethodPost, path: pathOf(ref) + "/permissions", query: url.Values{"dry_run": {"true"}},
		body: adminapi.Permission{Permission: permission},
	}, &held)
	return held, err
}

// TryRevoke asks what [Client.Revoke] would do to whom. It changes nothing. Errors:
// those of that.
func (c *Client) TryRevoke(ctx context.Context, ref subject.Ref, permission access.Permission) (adminapi.Revocation, error) {
	var left adminapi.Revocation
	_, err := c.do(ctx, request{
		method: http.MethodDelete, path: pathOf(ref) + "/permissions",
		query: url.Values{"permission": {permission.String()}, "dry_run": {"true"}},
	}, &left)
	return left, err
}

// Revoke takes a permission, or some of its actions, from a subject and
// returns what remains for that type and name. Errors: [ErrNotFound], also for a
// permission that the subject does not have, and [ErrIncluded].
func (c *Client) Revoke(ctx context.Context, ref subject.Ref, permission access.Permission) (adminapi.Revocation, error) {
	var left adminapi.Revocation
	_, err := c.do(ctx, request{
		method: http.MethodDelete,
		path:   pathOf(ref) + "/permissions",
		query:  url.Values{"permission": {permission.String()}},
	}, &left)
	return left, err
}

// Can asks whether a subject may do something, and why. The type is
// [access.Repository], or [access.Registry], whose only name is catalog. Errors:
// [ErrNotFound], [ErrInvalid].
func (c *Client) Can(ctx context.Context, ref subject.Ref, t access.Type, name string, actions access.Actions) (adminapi.Decision, error) {
	var decision adminapi.Decision
	_, err := c.do(ctx, request{
		method: http.MethodGet,
		path:   pathOf(ref) + "/can",
		query:  url.Values{"type": {string(t)}, "name": {name}, "actions": {actions.String()}},
	}, &decision)
	return decision, err
}

// Holders lists who was given something on a repository, and by which permission:
// groups, then robots and users. With actions, only permissions that give all of
// them. Error: [ErrInvalid].
func (c *Client) Holders(ctx context.Context, repository string, actions access.Actions) iter.Seq2[adminapi.Holder, error] {
	query := url.Values{"repository": {repository}}
	if actions != 0 {
		query.Set("actions", actions.String())
	}
	return pagesOf[adminapi.Holder](ctx, c, "/permissions", query, 0)
}
