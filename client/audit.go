package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/subject"
)

// AuditOptions narrow a listing of the audit. Zero values do not.
type AuditOptions struct {
	// After is the sequence of the last entry that is known already.
	After int64
	// Since is the earliest time, Until the first that is too late.
	Since, Until time.Time
	// Subject is what something was done to, Actor the subject that did it. A
	// Subject of the kind issuer or binding is one of those.
	Subject, Actor subject.Ref
	// Action is what was done.
	Action audit.Action
	// NewestFirst turns the order round, for people.
	NewestFirst bool
}

func (o AuditOptions) query() url.Values {
	q := url.Values{}
	if o.After > 0 {
		q.Set("after", strconv.FormatInt(o.After, 10))
	}
	for name, at := range map[string]time.Time{"since": o.Since, "until": o.Until} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	for name, ref := range map[string]subject.Ref{"subject": o.Subject, "actor": o.Actor} {
		if ref != (subject.Ref{}) {
			q.Set(name, ref.String())
		}
	}
	if o.Action != "" {
		q.Set("action", string(o.Action))
	}
	if o.NewestFirst {
		q.Set("newest_first", "true")
	}
	return q
}

// Audit lists what was changed by whom, oldest first unless asked otherwise.
func (c *Client) Audit(ctx context.Context, options AuditOptions) iter.Seq2[audit.Entry, error] {
	return func(yield func(audit.Entry, error) bool) {
		for e, err := range pagesOf[adminapi.AuditEntry](ctx, c, "/audit", options.query(), 0) {
			if !yield(e.Entry, err) {
				return
			}
		}
	}
}

// AuditHead names the newest entry of the audit, the zero head in an empty one.
// [audit.Chain] checks that a listing of all of it leads there.
func (c *Client) AuditHead(ctx context.Context) (audit.Head, error) {
	var head adminapi.AuditHead
	_, err := c.do(ctx, request{method: http.MethodGet, path: "/audit/head"}, &head)
	return head.Head, err
}

// AuditCheckpoints lists where the audit was cut because of its age, oldest
// first. [audit.Checkpoints] checks that they follow each other.
func (c *Client) AuditCheckpoints(ctx context.Context) iter.Seq2[adminapi.AuditCheckpoint, error] {
	return pages[adminapi.AuditCheckpoint](ctx, c, "/audit/checkpoints", ListOptions{})
}
