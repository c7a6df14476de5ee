package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/dockit-registry/dockit/adminapi"
)

// PKI shows what registries have to be configured with, and the time of the
// server.
func (c *Client) PKI(ctx context.Context) (adminapi.PKI, error) {
	var found adminapi.PKI
	_, err := c.do(ctx, request{method: http.MethodGet, path: "/pki"}, &found)
	return found, err
}

// Keys lists the keys that sign tokens, and the authorities above them, oldest
// first.
func (c *Client) Keys(ctx context.Context) iter.Seq2[adminapi.Key, error] {
	return pages[adminapi.Key](ctx, c, "/pki/keys", ListOptions{})
}

// RotateKeys replaces keys that sign tokens now: the key of one service, or,
// without one, every key whose successor registries trust already. Errors:
// [ErrNotFound], [ErrExternal], [ErrExpires].
func (c *Client) RotateKeys(ctx context.Context, service string) (adminapi.Rotation, error) {
	return c.rotate(ctx, "/pki/rotate", adminapi.RotationRequest{Service: service})
}

// RotateAuthority switches to the next certificate authority and makes the one
// after it. It returns [ErrTooEarly] when the next one has been published for less
// than a day, so that registries may not know it; force does it all the same.
// Error: [ErrExternal].
func (c *Client) RotateAuthority(ctx context.Context, force bool) (adminapi.Rotation, error) {
	return c.rotate(ctx, "/pki/rotate-ca", adminapi.AuthorityRotationRequest{Force: force})
}

// RevokeKey declares a key unfit for use, and replaces it where it is in use. ID
// is that of [adminapi.Key]. Errors: [ErrNotFound], [ErrExternal].
func (c *Client) RevokeKey(ctx context.Context, id string) (adminapi.Rotation, error) {
	return c.rotate(ctx, "/pki/keys/"+url.PathEscape(id)+"/revoke", nil)
}

func (c *Client) rotate(ctx context.Context, path string, body any) (adminapi.Rotation, error) {
	var rotation adminapi.Rotation
	_, err := c.do(ctx, request{method: http.MethodPost, path: path, body: body}, &rotation)
	return rotation, err
}
