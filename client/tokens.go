package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/subject"
)

// AccessTokens lists the access tokens of a user or robot by name. Error:
// [ErrNotFound].
func (c *Client) AccessTokens(ctx context.Context, owner subject.Ref, options ListOptions) iter.Seq2[adminapi.AccessToken, error] {
	return pages[adminapi.AccessToken](ctx, c, pathOf(owner)+"/access-tokens", options)
}

// AllAccessTokens lists the access tokens of everybody by id; if unused is set, only
// those that were never used.
func (c *Client) AllAccessTokens(ctx context.Context, unused bool) iter.Seq2[adminapi.AccessToken, error] {
	query := url.Values{}
	if unused {
		query.Set("unused", "true")
	}
	return pagesOf[adminapi.AccessToken](ctx, c, "/access-tokens", query, 0)
}

// AccessToken returns one access token by its id, or [ErrNotFound].
func (c *Client) AccessToken(ctx context.Context, id string) (adminapi.AccessToken, error) {
	var found adminapi.AccessToken
	_, err := c.do(ctx, request{method: http.MethodGet, path: accessTokenPath(id)}, &found)
	return found, err
}

// CreateAccessToken makes an access token for a user or robot. Its secret
// cannot be read again. Errors: [ErrNotFound], [ErrExists], [ErrTooMany],
// [ErrInvalid], [ErrPasswordNeeded].
func (c *Client) CreateAccessToken(ctx context.Context, owner subject.Ref, token adminapi.NewAccessToken) (adminapi.IssuedAccessToken, error) {
	var issued adminapi.IssuedAccessToken
	_, err := c.do(ctx, request{method: http.MethodPost, path: pathOf(owner) + "/access-tokens", body: token}, &issued)
	return issued, err
}

// RotateAccessToken replaces the secret of an access token, which keeps its id.
// Errors: [ErrNotFound], [ErrInvalid], [ErrPasswordNeeded].
func (c *Client) RotateAccessToken(ctx context.Context, id string, rotation adminapi.AccessTokenRotation) (adminapi.IssuedAccessToken, error) {
	var issued adminapi.IssuedAccessToken
	_, err := c.do(ctx, request{method: http.MethodPost, path: accessTokenPath(id) + "/rotate", body: rotation}, &issued)
	return issued, err
}

// RevokeOptions say how a token is revoked.
type RevokeOptions struct {
	// KeepMade lets what the token made go on without it. It takes a password.
	KeepMade bool
}

// RevokeAccessToken ends an access token, and what was made with it, and returns
// what became of that. Errors: [ErrNotFound], [ErrPasswordNeeded].
func (c *Client) RevokeAccessToken(ctx context.Context, id string, options RevokeOptions) (adminapi.RevokedToken, error) {
	return c.revoke(ctx, accessTokenPath(id), options)
}

func (c *Client) revoke(ctx context.Context, path string, options RevokeOptions) (adminapi.RevokedToken, error) {
	query := url.Values{}
	if options.KeepMade {
		query.Set("keep_made", "true")
	}
	var became adminapi.RevokedToken
	_, err := c.do(ctx, request{method: http.MethodDelete, path: path, query: query}, &became)
	return became, err
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

// RevokeRefreshToken ends a refresh token, and what was made with it, and
// returns what became of that. Errors: [ErrNotFound], [ErrPasswordNeeded].
func (c *Client) RevokeRefreshToken(ctx context.Context, id string, options RevokeOptions) (adminapi.RevokedToken, error) {
	return c.revoke(ctx, refreshTokenPath(id), options)
}

// RevokeRefreshTokens ends every refresh token of a user, and what was made with
// them, and returns how many there were. It returns [ErrPasswordNeeded] for
// another user's with a token.
func (c *Client) RevokeRefreshTokens(ctx context.Context, username string) (adminapi.RevokedRefreshTokens, error) {
	var revoked adminapi.RevokedRefreshTokens
	_, err := c.do(ctx, request{method: http.MethodDelete, path: refreshTokensPath(username)}, &revoked)
	return revoked, err
}

func refreshTokensPath(username string) string {
	return pathOf(subject.Ref{Kind: subject.User, Name: username}) + "/refresh-tokens"
}

func refreshTokenPath(id string) string { return "/refresh-tokens/" + url.PathEscape(id) }

// Lockouts lists from where wrong passwords came lately, whether or not they
// have locked anything yet.
func (c *Client) Lockouts(ctx context.Context) iter.Seq2[adminapi.Lockout, error] {
	return pages[adminapi.Lockout](ctx, c, "/lockouts", ListOptions{})
}

// ClearLockouts forgets the wrong passwords for a user or robot, from one
// address prefix, such as 192.0.2.1/32, or, without one, from everywhere. It
// returns how many there were. Errors: [ErrNotFound], [ErrInvalid].
func (c *Client) ClearLockouts(ctx context.Context, owner subject.Ref, network string) (int64, error) {
	query := url.Values{}
	if network != "" {
		query.Set("network", network)
	}
	var cleared adminapi.ClearedLockouts
	_, err := c.do(ctx, request{method: http.MethodDelete, path: pathOf(owner) + "/lockouts", query: query}, &cleared)
	return cleared.Failures, err
}
