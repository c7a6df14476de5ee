package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/dockit-registry/dockit/adminapi"
)

// Issuers lists the trusted issuers by name. Of the options, Prefix and PageSize
// count.
func (c *Client) Issuers(ctx context.Context, options ListOptions) iter.Seq2[adminapi.Issuer, error] {
	return pages[adminapi.Issuer](ctx, c, "/issuers", options)
}

// Issuer returns one issuer, or [ErrNotFound].
func (c *Client) Issuer(ctx context.Context, name string) (adminapi.Issuer, error) {
	var found adminapi.Issuer
	_, err := c.do(ctx, request{method: http.MethodGet, path: issuerPath(name)}, &found)
	return found, err
}

// CreateIssuer trusts an issuer, once it has shown its keys. Errors: [ErrInvalid],
// [ErrExists], [ErrIssuer], [ErrTooMany], [ErrPasswordNeeded].
func (c *Client) CreateIssuer(ctx context.Context, issuer adminapi.NewIssuer) (adminapi.Issuer, error) {
	var created adminapi.Issuer
	_, err := c.do(ctx, request{method: http.MethodPost, path: "/issuers", body: issuer}, &created)
	return created, err
}

// UpdateIssuer changes an issuer, and returns what it is then. Errors:
// [ErrNotFound], [ErrStale], [ErrPasswordNeeded].
func (c *Client) UpdateIssuer(ctx context.Context, name string, change adminapi.IssuerChange, version Condition) (adminapi.Issuer, error) {
	var updated adminapi.Issuer
	_, err := c.do(ctx, request{method: http.MethodPatch, path: issuerPath(name), body: change, ifMatch: version.header()}, &updated)
	return updated, err
}

// DeleteIssuer trusts an issuer no more, and returns which bindings went with it.
// Errors: [ErrNotFound], [ErrStale].
func (c *Client) DeleteIssuer(ctx context.Context, name string, version Condition) (adminapi.Removed, error) {
	var removed adminapi.Removed
	_, err := c.do(ctx, request{method: http.MethodDelete, path: issuerPath(name), ifMatch: version.header()}, &removed)
	return removed, err
}

// RefreshIssuer asks an issuer for its keys now. Errors: [ErrNotFound], [ErrIssuer],
// [ErrKind] for keys that were given.
func (c *Client) RefreshIssuer(ctx context.Context, name string) (adminapi.Issuer, error) {
	var refreshed adminapi.Issuer
	_, err := c.do(ctx, request{method: http.MethodPost, path: issuerPath(name) + "/refresh"}, &refreshed)
	return refreshed, err
}

// IssuerRefusals lists the latest tokens of an issuer that were refused, the latest
// first. Error: [ErrNotFound].
func (c *Client) IssuerRefusals(ctx context.Context, name string) iter.Seq2[adminapi.IssuerRefusal, error] {
	return pages[adminapi.IssuerRefusal](ctx, c, issuerPath(name)+"/refusals", ListOptions{})
}

// TryToken asks how a token of an issuer would fare. Nothing is recorded. Error:
// [ErrInvalid].
func (c *Client) TryToken(ctx context.Context, trial adminapi.TokenTrial) (adminapi.TrialResult, error) {
	var result adminapi.TrialResult
	_, err := c.do(ctx, request{method: http.MethodPost, path: "/issuers/try", body: trial}, &result)
	return result, err
}

func issuerPath(name string) string { return "/issuers/" + url.PathEscape(name) }

// BindingOptions narrow a listing of bindings. Empty fields do not.
type BindingOptions struct {
	// Issuer and Robot are names.
	Issuer, Robot string
	// Prefix keeps only names that begin with it.
	Prefix string
	// PageSize is how many items to ask for at once. Default:
	// [adminapi.MaxLimit], the most that the server gives.
	PageSize int
}

// Bindings lists bindings by name.
func (c *Client) Bindings(ctx context.Context, options BindingOptions) iter.Seq2[adminapi.Binding, error] {
	query := url.Values{}
	for name, value := range map[string]string{"issuer": options.Issuer, "robot": options.Robot, "prefix": options.Prefix} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return pagesOf[adminapi.Binding](ctx, c, "/bindings", query, options.PageSize)
}

// Binding returns one binding, or [ErrNotFound].
func (c *Client) Binding(ctx context.Context, name string) (adminapi.Binding, error) {
	var found adminapi.Binding
	_, err := c.do(ctx, request{method: http.MethodGet, path: bindingPath(name)}, &found)
	return found, err
}

// CreateBinding says which tokens of an issuer stand for a robot. Errors:
// [ErrInvalid], [ErrNotFound] without its issuer or robot, [ErrExists],
// [ErrUnprotected], [ErrTooMany], [ErrPasswordNeeded].
func (c *Client) CreateBinding(ctx context.Context, binding adminapi.NewBinding) (adminapi.Binding, error) {
	var created adminapi.Binding
	_, err := c.do(ctx, request{method: http.MethodPost, path: "/bindings", body: binding}, &created)
	return created, err
}

// UpdateBinding changes a binding, and returns what it is then. Errors:
// [ErrNotFound], [ErrStale]; to enable one, those of [Client.CreateBinding].
func (c *Client) UpdateBinding(ctx context.Context, name string, change adminapi.BindingChange, version Condition) (adminapi.Binding, error) {
	var updated adminapi.Binding
	_, err := c.do(ctx, request{method: http.MethodPatch, path: bindingPath(name), body: change, ifMatch: version.header()}, &updated)
	return updated, err
}

// DeleteBinding removes a binding. Errors: [ErrNotFound], [ErrStale].
func (c *Client) DeleteBinding(ctx context.Context, name string, version Condition) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: bindingPath(name), ifMatch: version.header()}, nil)
	return err
}

func bindingPath(name string) string { return "/bindings/" + url.PathEscape(name) }
