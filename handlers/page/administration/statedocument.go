package administration

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/state"
)

// stateData is what the page of the state document shows.
type stateData struct {
	Document string
	Prune    bool
}

// stateLines is how many lines of a plan are shown, and carriedState the largest
// document, in bytes, that a plan brings along to be applied.
const (
	stateLines   = 2000
	carriedState = 256 << 10
)

// planData is a plan before it is carried out.
type planData struct {
	Plan  adminapi.Plan
	Lines []state.Line
	// More is how many lines are not shown.
	More  int
	Prune bool
	// Document is empty for one that is to be sent again.
	Document string
}

func (h *pages) showState(v *frame.Visit) error {
	return v.Render("state", "State", stateData{})
}

// downloadState passes the document on as it comes.
func (h *pages) downloadState(v *frame.Visit) error {
	format := state.YAML
	if v.URL.Query().Get("format") == string(state.JSON) {
		format = state.JSON
	}
	var document bytes.Buffer
	if err := v.API(http.MethodGet, "/state?format="+url.QueryEscape(string(format)), nil, &document); err != nil {
		return err
	}
	header := v.Writer.Header()
	header.Set("Content-Type", "application/"+string(format))
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": "dockit-state." + string(format)}))
	_, _ = document.WriteTo(v.Writer) // the client is gone
	return nil
}

// sentState is the document of a form: a file, or what was written into it.
func sentState(v *frame.Visit) (document io.ReadSeekCloser, size int64, err error) {
	file, about, err := v.FormFile("file")
	if err == nil && about.Size > 0 {
		return file, about.Size, nil
	}
	if text := v.PostFormValue("document"); strings.TrimSpace(text) != "" {
		return readSeekNopCloser{strings.NewReader(text)}, int64(len(text)), nil
	}
	return nil, 0, frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "there is no document: choose a file, or write one")
}

// readSeekNopCloser is a text as a file.
type readSeekNopCloser struct{ *strings.Reader }

// Close implements [io.Closer].
func (readSeekNopCloser) Close() error { return nil }

// planState shows what a document would change.
func (h *pages) planState(v *frame.Visit) error {
	document, size, err := sentState(v)
	if err == nil {
		defer document.Close()
		err = h.showPlan(v, document, size, nil)
	}
	if err != nil {
		form := stateData{Prune: v.PostFormValue("prune") != ""}
		if text := v.PostFormValue("document"); len(text) <= carriedState {
			form.Document = text
		}
		return v.Refused("state", "State", form, err)
	}
	return nil
}

// showPlan asks for a plan and shows it, with what is wrong with one before, if
// anything.
func (h *pages) showPlan(v *frame.Visit, document io.ReadSeeker, size int64, problem *adminapi.Problem) error {
	data := planData{Prune: v.PostFormValue("prune") != ""}
	if err := v.Send(http.MethodPost, "/state/plan"+pruned(data.Prune), "application/yaml", document, &data.Plan); err != nil {
		return err
	}
	plan := state.Plan{Changes: data.Plan.Changes, Issuers: data.Plan.Issuers, Bindings: data.Plan.Bindings}
	for line := range plan.Lines() {
		if len(data.Lines) < stateLines {
			data.Lines = append(data.Lines, line)
		} else {
			data.More++
		}
	}
	if size <= carriedState {
		if _, err := document.Seek(0, io.SeekStart); err != nil {
			return err
		}
		text, err := io.ReadAll(document)
		if err != nil {
			return err
		}
		data.Document = string(text)
	}
	status := http.StatusOK
	if problem != nil {
		status = problem.Status
	}
	return v.Answer(status, "stateplan", frame.View{Title: "What would change", Data: data, Problem: problem})
}

func pruned(prune bool) string {
	if prune {
		return "?prune=true"
	}
	return ""
}

// applyState does what the plan said that was looked at, or shows what else it would
// do.
func (h *pages) applyState(v *frame.Visit) error {
	document, size, err := sentState(v)
	if err != nil {
		return v.Refused("state", "State", stateData{Prune: v.PostFormValue("prune") != ""}, err)
	}
	defer document.Close()
	tag := v.PostFormValue("tag")
	if tag == "" {
		return h.showPlan(v, document, size, frame.Refusal(http.StatusPreconditionFailed, adminapi.CodeStale, "nothing was changed: look at the plan first"))
	}
	header := http.Header{"Content-Type": {"application/yaml"}, "If-Match": {`"` + tag + `"`}}
	var applied adminapi.Plan
	err = v.SendWith(http.MethodPut, "/state"+pruned(v.PostFormValue("prune") != ""), header, document, &applied)
	if problem, ok := errors.AsType[*adminapi.Problem](err); ok && problem.Code == adminapi.CodeStale {
		if _, err := document.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return h.showPlan(v, document, size, frame.Refusal(http.StatusPreconditionFailed, adminapi.CodeStale,
			"nothing was changed: something else was, in the meantime, or this is another document; look at what it would do now"))
	}
	if err != nil {
		return v.Refused("state", "State", stateData{Prune: v.PostFormValue("prune") != ""}, err)
	}
	if len(applied.Away)+len(applied.Warnings) > 0 {
		return v.Render("stateapplied", "Applied, and something to look at", applied)
	}
	return v.Done("state", "state-applied")
}
