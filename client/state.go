package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/state"
)

// ExportState writes users, robots, groups, members, permissions, issuers and bindings to w, as
// one document without secrets. After an error, what was written is not whole. It
// may take ten minutes, whatever [Options].Timeout says. Error: [ErrBusy].
func (c *Client) ExportState(ctx context.Context, format state.Format, w io.Writer) error {
	r := request{method: http.MethodGet, path: "/state", query: url.Values{"format": {string(format)}}, large: true}
	ctx, cancel := c.bound(ctx, r)
	defer cancel()
	response, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
		if err != nil {
			return fmt.Errorf("%s: read the answer: %w", c.base, err)
		}
		return c.refusal(r, response, body)
	}
	if response.Header.Get("Content-Type") != "application/"+string(format) {
		return c.foreign(r, response)
	}
	if _, err := io.Copy(w, response.Body); err != nil {
		return fmt.Errorf("%s: copy the state: %w", c.base, err)
	}
	return nil
}

// PlanState asks what applying a document would change. It changes nothing. The
// document is read as it is sent. Errors: [ErrInvalid], also for a document that
// is larger than the server takes, [ErrConflict], [ErrTooMany], and [ErrBusy] while
// the server works on another one.
func (c *Client) PlanState(ctx context.Context, document io.Reader, options state.Options) (adminapi.Plan, error) {
	return c.sendState(ctx, request{method: http.MethodPost, path: "/state/plan", document: document}, options)
}

// ApplyState makes the state what a document says, all of it or nothing, and
// returns what was done for that. Errors: those of [Client.PlanState],
// [ErrLastAdmin], and [ErrPasswordNeeded] for what a token may not do.
func (c *Client) ApplyState(ctx context.Context, document io.Reader, options state.Options) (adminapi.Plan, error) {
	return c.ApplyPlanned(ctx, document, options, "")
}

// ApplyPlanned is [Client.ApplyState] that does only what a plan of [Client.PlanState]
// said, by the tag of that, and returns [ErrStale] when it would do anything else. An
// empty tag is any plan.
func (c *Client) ApplyPlanned(ctx context.Context, document io.Reader, options state.Options, tag string) (adminapi.Plan, error) {
	return c.sendState(ctx, request{method: http.MethodPut, path: "/state", document: document, ifMatch: tag}, options)
}

func (c *Client) sendState(ctx context.Context, r request, options state.Options) (adminapi.Plan, error) {
	query := url.Values{}
	for name, on := range map[string]bool{"prune": options.Prune, "add": options.Add, "replace_passwords": options.ReplacePasswords} {
		if on {
			query.Set(name, "true")
		}
	}
	var plan adminapi.Plan
	r.query, r.large = query, true
	_, err := c.do(ctx, r, &plan)
	return plan, err
}
