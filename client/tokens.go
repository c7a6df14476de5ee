package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/subject"
)

// AccessTokens lists the access tokens of a user or robot by name.
func (c *Client) AccessTokens(ctx context.Context, owner subject.Ref, options ListOptions) iter.Seq2[adminapi.AccessToken, error] {
	return pages[adminapi.AccessToken](ctx, c, pathOf(owner)+"/access-tokens", options)
}

// AccessToken returns one access token by its id, or [ErrNotFound].
func (c *Client) AccessToken(ctx context.Context, id string) (adminapi.AccessToken, error) {
	var found adminapi.AccessToken
	_, err := c.do(ctx, request{method: http.MethodGet, path: accessTokenPath(id)}, &found)
	return found, err
}

// CreateAccessToken makes an access token for a user or robot. Its secret
// cannot be read again. Errors: [ErrExists], [ErrTooMany].
func (c *Client) CreateAccessToken(ctx context.Context, owner subject.Ref, token adminapi.NewAccessToken) (adminapi.IssuedAccessToken, error) {
	var issued adminapi.IssuedAccessToken
	_, err := c.do(ctx, request{method: http.MethodPost, path: pathOf(owner) + "/access-tokens", body: token}, &issued)
	return issued, err
}

// RotateAccessToken replaces the secret of an access token, or returns
// [ErrNotFound].
func (c *Client) RotateAccessToken(ctx context.Context, id string, rotation adminapi.AccessTokenRotation) (adminapi.IssuedAccessToken, error) {
	var issued adminapi.IssuedAccessToken
	_, err := c.do(ctx, request{method: http.MethodPost, path: accessTokenPath(id) + "/rotate", body: rotation}, &issued)
	return issued, err
}

// RevokeAccessToken ends an access token, or returns [ErrNotFound].
func (c *Client) RevokeAccessToken(ctx context.Context, id string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: accessTokenPath(id)}, nil)
	return err
}

func accessTokenPath(id string) string { return "/access-tokens/" + url.PathEscape(id) }

// RefreshTokens lists the refresh tokens of a user, which are its docker
// logins, the last used first.
func (c *Client) RefreshTokens(ctx context.Context, username string) iter.Seq2[adminapi.RefreshToken, error] {
	return pages[adminapi.RefreshToken](ctx, c, refreshTokensPath(username), ListOptions{})
}

// RefreshToken returns one refresh token by its id, or [ErrNotFound].
func (c *Client) RefreshToken(ctx context.Context, id string) (adminapi.RefreshToken, error) {
	var found adminapi.RefreshToken
	_, err := c.do(ctx, request{method: http.MethodGet, path: refreshTokenPath(id)}, &found)
	return found, err
}

// RevokeRefreshToken ends a refresh token, or returns [ErrNotFound].
func (c *Client) RevokeRefreshToken(ctx context.Context, id string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: refreshTokenPath(id)}, nil)
	return err
}

// RevokeRefreshTokens ends every refresh token of a user, and returns how many
// there were.
func (c *Client) RevokeRefreshTokens(ctx context.Context, username string) (int64, error) {
	var revoked adminapi.RevokedRefreshTokens
	_, err := c.do(ctx, request{method: http.MethodDelete, path: refreshTokensPath(username)}, &revoked)
	return revoked.Revoked, err
}

func refreshTokensPath(username string) string {
	return pathOf(subject.Ref{Kind: subject.User, Name: username}) + "/refresh-tokens"
}

func refreshTokenPath(id string) string { return "/refresh-tokens/" + url.PathEscape(id) }

// Lockouts lists from where wrong passwords came lately.
func (c *Client) Lockouts(ctx context.Context) iter.Seq2[adminapi.Lockout, error] {
	return pages[adminapi.Lockout](ctx, c, "/lockouts", ListOptions{})
}

// ClearLockouts forgets the wrong passwords for a user or robot, from one
// address prefix or, without one, from everywhere. It returns how many there
// were.
func (c *Client) ClearLockouts(ctx context.Context, owner subject.Ref, network string) (int64, error) {
	query := url.Values{}
	if network != "" {
		query.Set("network", network)
	}
	var cleared adminapi.ClearedLockouts
	_, err := c.do(ctx, request{method: http.MethodDelete, path: pathOf(owner) + "/lockouts", query: query}, &cleared)
	return cleared.Failures, err
}
