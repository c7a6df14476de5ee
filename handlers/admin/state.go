package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
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
	// shortDocument is how long a document may be, in bytes, that takes no place
	// of its own while it comes in.
	shortDocument = 1 << 20

	statePath     = "/state"
	statePlanPath = statePath + "/plan"
)

// statePlaces bound what documents take of memory: one is worked on at a time,
// two long ones come in, and four exports are under way.
type statePlaces struct{ working, receiving, exporting *places }

func newStatePlaces() statePlaces {
	return statePlaces{working: newPlaces(1, 16), receiving: newPlaces(2, 16), exporting: newPlaces(4, 16)}
}

type exportInput struct {
	Format state.Format `query:"format" enum:"yaml,json" default:"yaml" doc:"How the document is written."`
}

type streamedOutput struct {
	Body func(huma.Context)
}

// DocumentInput is how a document is meant. It is exported because huma does not see
// what is embedded otherwise.
type DocumentInput struct {
	Prune   bool `query:"prune" doc:"Remove the subjects, issuers and bindings that the document does not list."`
	Add     bool `query:"add" doc:"Take nothing from anybody: what the document lists comes in addition. It excludes prune."`
	Replace bool `query:"replace_passwords" doc:"With add: a password in the document takes the place of the one that a user has."`

	// planned is the tag of the plan that is to be carried out, empty for any.
	planned string
	body    io.Reader
}

// ApplyInput is also which plan is to be carried out.
type ApplyInput struct {
	DocumentInput
	IfMatch string `header:"If-Match" maxLength:"64" doc:"The tag of the plan that is to be carried out: 412 when the document would do anything else."`
}

// Resolve implements [huma.Resolver]: it leaves the body where it is until there
// is a place for it.
func (in *DocumentInput) Resolve(ctx huma.Context) []error {
	in.body = ctx.BodyReader()
	return nil
}

func (in *DocumentInput) options() state.Options {
	return state.Options{Prune: in.Prune, Add: in.Add, ReplacePasswords: in.Replace}
}

func (a *API) registerState(api huma.API) {
	huma.Register(api, operation(api, "export-state", http.MethodGet, statePath, "Write users, robots, groups, members, permissions, issuers and bindings as one document, without secrets", http.StatusOK), a.exportState)
	for _, o := range []struct{ id, method, path, summary string }{
		{"plan-state", http.MethodPost, statePlanPath, "Show what applying a document would change, and change nothing"},
		{"apply-state", http.MethodPut, statePath, "Make the state what a document says, all of it or nothing"},
	} {
		op := operation(api, o.id, o.method, o.path, o.summary, http.StatusOK)
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/yaml": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary", Description: "The document, in YAML or JSON."}},
		}}
		op.Responses["200"] = &huma.Response{Description: http.StatusText(http.StatusOK), Content: map[string]*huma.MediaType{
			"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[adminapi.Plan](), true, "Plan")},
		}}
		if o.method == http.MethodPut {
			huma.Register(api, op, func(ctx context.Context, in *ApplyInput) (*streamedOutput, error) {
				in.planned = strings.Trim(in.IfMatch, `"`)
				return a.changeState(ctx, &in.DocumentInput, true)
			})
			continue
		}
		huma.Register(api, op, func(ctx context.Context, in *DocumentInput) (*streamedOutput, error) {
			return a.changeState(ctx, in, false)
		})
	}
}

// exportState reads everything before it answers: a slow client must not keep
// the database from clearing its log, and a failure is answered as one.
func (a *API) exportState(ctx context.Context, in *exportInput) (*streamedOutput, error) {
	leave, err := a.states.exporting.enter(ctx, "several exports are under way")
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	document := newSpool()
	if err := a.writeState(ctx, state.NewWriter(document, in.Format)); err != nil {
		leave()
		return nil, a.problemOf(ctx, errors.Join(err, document.Close()))
	}
	return a.sent(document, "application/"+string(in.Format), "an export", leave), nil
}

// sent answers with what a spool holds, closes it, and calls done.
func (a *API) sent(s *exportBuffer, contentType, what string, done func()) *streamedOutput {
	return &streamedOutput{func(out huma.Context) {
		defer done()
		if s.size > shortDocument {
			defer giveBackMemory()
		}
		out.SetHeader("Content-Type", contentType)
		_, err := s.WriteTo(out.BodyWriter())
		if err = errors.Join(err, s.Close()); err != nil {
			a.config.Logger.Info(what+" did not reach its client", zap.Error(err))
		}
	}}
}

func (a *API) writeState(ctx context.Context, w *state.Writer) error {
	if err := a.config.Store.WriteState(ctx, w); err != nil {
		return err
	}
	return w.Close()
}

// changeState works on one document at a time, for each may take much memory.
// Neither who sends one slowly nor who takes the answer slowly has that place.
func (a *API) changeState(ctx context.Context, in *DocumentInput, apply bool) (*streamedOutput, error) {
	if apply {
		if err := a.passwordAgain(ctx); err != nil {
			return nil, err
		}
	}
	received, done, err := a.receive(ctx, in.body)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	answer, err := a.answer(ctx, received, in, apply)
	err = errors.Join(err, received.Close())
	if err != nil {
		done()
		return nil, a.problemOf(ctx, err)
	}
	return a.sent(answer, "application/json", "the answer to a state document", done), nil
}

// receive keeps a document that is sent. A long one has a place until done is
// called.
func (a *API) receive(ctx context.Context, body io.Reader) (received *exportBuffer, done func(), err error) {
	received, done = newSpool(), func() {}
	in := bufio.NewReader(body)
	switch _, err := in.Peek(1); {
	case errors.Is(err, io.EOF):
		return nil, nil, problem(http.StatusBadRequest, adminapi.CodeInvalid, "there is no document: send it as the body of the request")
	case err != nil:
		return nil, nil, a.unread(err)
	}
	_, err = io.CopyN(received, in, shortDocument)
	if err == nil { // there may be more
		if done, err = a.states.receiving.enter(ctx, "other large state documents are coming in"); err == nil {
			_, err = io.Copy(received, in)
			if err != nil {
				done()
			}
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, errors.Join(a.unread(err), received.Close())
	}
	return received, done, nil
}

// unread says why a document could not be read.
func (a *API) unread(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLargeState(a.config.maxState())
	}
	return err
}

// tooLargeState refuses a document that is larger than is allowed.
func tooLargeState(most int64) *httpProblem {
	return problem(http.StatusRequestEntityTooLarge, adminapi.CodeInvalid, fmt.Sprintf(
		"the document is larger than %s: apply it in parts without prune, or raise the bound with --max-state-size of api-server or limits in a Caddyfile", state.Size(most)))
}

// answer plans or applies a document, and writes the answer to the client.
func (a *API) answer(ctx context.Context, received *exportBuffer, by *DocumentInput, apply bool) (*exportBuffer, error) {
	leave, err := a.states.working.enter(ctx, "another state document is being worked on")
	if err != nil {
		return nil, err
	}
	defer leave()
	if received.size > shortDocument {
		defer giveBackMemory()
	}
	in, err := received.reader()
	if err != nil {
		return nil, err
	}
	document, err := state.ParseUpTo(in, a.config.maxState())
	if err != nil {
		return nil, err
	}
	var plan state.Plan
	rest := adminapi.PlanTrust{}
	if apply {
		plan, err = a.config.Store.ApplyPlanned(ctx, document, by.options(), by.planned)
	} else {
		plan, err = a.config.Store.PlanState(ctx, document, by.options())
	}
	if err != nil {
		return nil, err
	}
	tag := ""
	if apply {
		rest.Away = a.fetchNew(ctx, plan)
	} else {
		tag = plan.Tag()
	}
	rest.Issuers, rest.Bindings, rest.Warnings = plan.Issuers, plan.Bindings, plan.Warnings
	answer := newSpool()
	if err := writePlan(answer, plan, tag, rest); err != nil {
		return nil, errors.Join(err, answer.Close())
	}
	return answer, nil
}

// writePlan writes a plan as [adminapi.Plan] is in JSON, one change after the
// other.
func writePlan(to io.Writer, plan state.Plan, tag string, trust adminapi.PlanTrust) error {
	w := bufio.NewWriter(to)
	_ = w.WriteByte('{') // Flush has the first error
	if tag != "" {
		_, _ = fmt.Fprintf(w, `"tag":%q,`, tag)
	}
	_, _ = w.WriteString(`"changes":[`)
	for i, change := range plan.Changes {
		if i > 0 {
			_ = w.WriteByte(',')
		}
		text, err := json.Marshal(change)
		if err != nil {
			return fmt.Errorf("write the plan: %w", err)
		}
		_, _ = w.Write(text)
	}
	created, updated, removed := plan.Counts()
	_, _ = fmt.Fprintf(w, `],"created":%d,"updated":%d,"removed":%d`, created, updated, removed)
	rest, err := json.Marshal(trust)
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	if len(rest) > len("{}") {
		_ = w.WriteByte(',')
	}
	_, _ = w.Write(rest[1:])
	_ = w.WriteByte('\n')
	return w.Flush()
}

// exportBufferMemory is how much a spool keeps in memory, in bytes.
const exportBufferMemory = 8 << 20

// exportBuffer keeps a document until it is whole: in memory as long as it is short,
// in a temporary file when it becomes longer. Close takes the file away.
type exportBuffer struct {
	memory bytes.Buffer
	file   *os.File
	// size is how much was written, in bytes.
	size int64
	// fileless is set where no file can be made: then memory has to do.
	fileless bool
	// removed is set when the file has no name any more.
	removed bool
}

func newSpool() *exportBuffer { return new(exportBuffer) }

// Write implements [io.Writer].
func (s *exportBuffer) Write(p []byte) (n int, err error) {
	defer func() { s.size += int64(n) }()
	if s.file == nil && !s.fileless && s.memory.Len()+len(p) > exportBufferMemory {
		if err := s.toFile(); err != nil {
			return 0, err
		}
	}
	if s.file == nil {
		return s.memory.Write(p)
	}
	n, err = s.file.Write(p)
	return n, exportBufferError(err)
}

func (s *exportBuffer) toFile() error {
	file, err := os.CreateTemp("", "dockit-state-*") // for its owner only
	if err != nil {
		s.fileless = true // a read-only container may have no place for files
		return nil        //nolint:nilerr // see above
	}
	s.file = file
	// Where a file may lose its name at once, none is left by a crash.
	s.removed = os.Remove(file.Name()) == nil
	_, err = s.memory.WriteTo(file)
	s.memory = bytes.Buffer{}
	return exportBufferError(err)
}

func exportBufferError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("keep the document in a temporary file: %w: make room, or name another folder in TMPDIR", err)
}

// reader reads all that was written before.
func (s *exportBuffer) reader() (io.Reader, error) {
	if s.file == nil {
		return bytes.NewReader(s.memory.Bytes()), nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, exportBufferError(err)
	}
	return s.file, nil
}

// WriteTo implements [io.WriterTo]: it writes all that was written before.
func (s *exportBuffer) WriteTo(w io.Writer) (int64, error) {
	r, err := s.reader()
	if err != nil {
		return 0, err
	}
	return io.Copy(w, r)
}

// Close forgets the document.
func (s *exportBuffer) Close() error {
	s.memory = bytes.Buffer{}
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if s.removed {
		return err
	}
	return errors.Join(err, os.Remove(s.file.Name()))
}
