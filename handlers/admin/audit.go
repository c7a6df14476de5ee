package admin

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/store"
)

type auditInput struct {
	PageInput
	After   int64     `query:"after" minimum:"0" doc:"Only entries after this sequence. Without a next_cursor, it is how to ask for what came since."`
	Since   time.Time `query:"since" doc:"Only entries of this time and later."`
	Until   time.Time `query:"until" doc:"Only entries before this time."`
	Subject string    `query:"subject" maxLength:"140" example:"user:alice" doc:"Only what was done to this subject, or to an issuer or binding: issuer:github, binding:app-main. It need not exist any more."`
	Actor   string    `query:"actor" maxLength:"140" example:"user:admin" doc:"Only what was done by this subject."`
	Action  string    `query:"action" maxLength:"32" example:"grant" doc:"Only what was done in this way."`
	// NewestFirst is for people, who look for what happened last.
	NewestFirst bool `query:"newest_first" doc:"List the newest first. Default: the oldest."`
}

type auditOutput struct {
	Body adminapi.List[adminapi.AuditEntry]
}

type auditHeadOutput struct {
	Body adminapi.AuditHead
}

type checkpointsOutput struct {
	Body adminapi.List[adminapi.AuditCheckpoint]
}

func (a *API) registerAudit(api huma.API) {
	huma.Register(api, operation(api, "list-audit-checkpoints", http.MethodGet, "/audit/checkpoints", "List where the audit was cut because of its age, oldest first", http.StatusOK), a.listCheckpoints)
	huma.Register(api, operation(api, "list-audit", http.MethodGet, "/audit", "List what was changed by whom, oldest first unless asked otherwise", http.StatusOK), a.listAudit)
	huma.Register(api, operation(api, "get-audit-head", http.MethodGet, "/audit/head", "Name the newest entry of the audit", http.StatusOK),
		func(ctx context.Context, _ *struct{}) (*auditHeadOutput, error) {
			a.config.Refusals.write(ctx, false)
			head, err := a.config.Store.AuditHead(ctx)
			if err != nil {
				return nil, a.problemOf(ctx, err)
			}
			return &auditHeadOutput{adminapi.AuditHead{Head: head}}, nil
		})
}

func (a *API) listAudit(ctx context.Context, in *auditInput) (*auditOutput, error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	query := store.AuditQuery{
		After: in.After, Limit: page.Limit, Since: in.Since, Until: in.Until,
		Subject: audit.Name(in.Subject), Actor: audit.Name(in.Actor), Action: audit.Action(in.Action), NewestFirst: in.NewestFirst,
	}
	if page.After != "" {
		cursor, err := strconv.ParseInt(page.After, 10, 64)
		switch {
		case err != nil:
			return nil, invalid(errCursor)
		case in.NewestFirst:
			query.Before = cursor
		default:
			query.After = cursor
		}
	}
	for _, name := range []string{in.Subject, in.Actor} {
		if name == "" {
			continue
		}
		if _, err := audit.ParseName(name); err != nil {
			return nil, a.problemOf(ctx, err)
		}
	}
	a.config.Refusals.write(ctx, false) // the reader sees what is due
	entries, err := a.config.Store.AuditEntries(ctx, query)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return &auditOutput{list(in.PageInput, entries,
		func(e audit.Entry) adminapi.AuditEntry { return adminapi.AuditEntry{Entry: e} },
		func(e audit.Entry) string { return strconv.FormatInt(e.Sequence, 10) })}, nil
}

func (a *API) listCheckpoints(ctx context.Context, in *PageInput) (*checkpointsOutput, error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	var after int64
	if page.After != "" {
		if after, err = strconv.ParseInt(page.After, 10, 64); err != nil {
			return nil, invalid(errCursor)
		}
	}
	statements, err := a.config.Store.AuditCheckpoints(ctx, after, page.Limit)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	checkpoints := make([]adminapi.AuditCheckpoint, len(statements))
	for i, statement := range statements {
		// The caller who verifies finds out about one that cannot be read.
		c, _ := statement.Read()
		checkpoints[i] = adminapi.AuditCheckpoint{
			Number: c.Number, Sequence: c.Sequence, Hash: c.Hash, Until: c.Until, Removed: c.Removed, At: c.At, Statement: statement,
		}
	}
	return &checkpointsOutput{list(*in, checkpoints,
		func(c adminapi.AuditCheckpoint) adminapi.AuditCheckpoint { return c },
		func(c adminapi.AuditCheckpoint) string { return strconv.FormatInt(c.Number, 10) })}, nil
}

// auditTimeout bounds writing an entry that must be written even when the
// client is gone.
const auditTimeout = 5 * time.Second

// recordEvent writes to the audit what the store does not write by itself.
// Nothing is undone when that fails: the log says so.
func (a *API) recordEvent(ctx context.Context, event audit.Event) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	if err := a.config.Store.RecordEvent(ctx, event); err != nil {
		a.config.Logger.Error("cannot write to the audit", zap.String("action", string(event.Action)), zap.Error(err))
	}
}
