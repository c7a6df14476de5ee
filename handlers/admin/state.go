package admin

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/state"
)

const (
	// stateTimeout is how long a whole state may take on its way, in both
	// directions.
	stateTimeout = 5 * time.Minute

	statePath     = "/state"
	statePlanPath = statePath + "/plan"
)

type exportInput struct {
	Format state.Format `query:"format" enum:"yaml,json" default:"yaml" doc:"How the document is written."`
}

type exportOutput struct {
	Body func(huma.Context)
}

type documentInput struct {
	Prune   bool   `query:"prune" doc:"Remove the subjects that the document does not list."`
	Add     bool   `query:"add" doc:"Take nothing from anybody: what the document lists comes in addition. It excludes prune."`
	Replace bool   `query:"replace_passwords" doc:"With add: a password in the document takes the place of the one that a user has."`
	RawBody []byte `contentType:"application/yaml" required:"true" doc:"The document, in YAML or JSON."`
}

type planOutput struct {
	Body adminapi.Plan
}

func (a *API) registerState(api huma.API) {
	huma.Register(api, operation(api, "export-state", http.MethodGet, statePath, "Write users, robots, groups, members and permissions as one document, without secrets", http.StatusOK), a.exportState)
	for _, o := range []struct{ id, method, path, summary string }{
		{"plan-state", http.MethodPost, statePlanPath, "Show what applying a document would change, and change nothing"},
		{"apply-state", http.MethodPut, statePath, "Make the state what a document says, all of it or nothing"},
	} {
		op := operation(api, o.id, o.method, o.path, o.summary, http.StatusOK)
		op.MaxBodyBytes, op.BodyReadTimeout = state.DefaultMaxSize, stateTimeout
		huma.Register(api, op, func(ctx context.Context, in *documentInput) (*planOutput, error) {
			return a.changeState(ctx, in, o.method == http.MethodPut)
		})
	}
}

// exportState reads everything before it answers: a slow client must not keep
// the database from clearing its log, and a failure is told as one.
func (a *API) exportState(ctx context.Context, in *exportInput) (*exportOutput, error) {
	document := new(spool)
	if err := a.writeState(ctx, state.NewWriter(document, in.Format)); err != nil {
		return nil, a.problemOf(ctx, errors.Join(err, document.Close()))
	}
	return &exportOutput{func(out huma.Context) {
		out.SetHeader("Content-Type", "application/"+string(in.Format))
		_, err := document.WriteTo(out.BodyWriter())
		if err = errors.Join(err, document.Close()); err != nil {
			a.config.Logger.Info("an export did not reach its client", zap.Error(err))
		}
	}}, nil
}

func (a *API) writeState(ctx context.Context, w *state.Writer) error {
	for one, err := range a.config.Store.State(ctx) {
		if err != nil {
			return err
		}
		if one.Ref.BuiltIn() && len(one.Permissions) == 0 {
			continue // there is nothing to tell
		}
		if err := w.Write(one); err != nil {
			return err
		}
	}
	return w.Close()
}

// changeState works on one document at a time: each may take much memory.
func (a *API) changeState(ctx context.Context, in *documentInput, apply bool) (*planOutput, error) {
	select {
	case a.stating <- struct{}{}:
		defer func() { <-a.stating }()
	case <-ctx.Done():
		return nil, a.problemOf(ctx, ctx.Err())
	}
	document, err := state.Parse(bytes.NewReader(in.RawBody))
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	run := a.config.Store.PlanState
	if apply {
		run = a.config.Store.ApplyState
	}
	plan, err := run(ctx, document, state.Options{Prune: in.Prune, Add: in.Add, ReplacePasswords: in.Replace})
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	out := &planOutput{adminapi.Plan{Changes: append([]state.Change{}, plan.Changes...)}}
	out.Body.Created, out.Body.Updated, out.Body.Removed = plan.Counts()
	return out, nil
}
