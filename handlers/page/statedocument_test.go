package page

import (
	"bytes"
	"html"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/store"
)

// upload sends a form with a file, as browsers do.
func (b *browser) upload(path, content string, fields ...string) *httptest.ResponseRecorder {
	b.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i := 0; i < len(fields); i += 2 {
		require.NoError(b, form.WriteField(fields[i], fields[i+1]))
	}
	file, err := form.CreateFormFile("file", "state.yaml")
	require.NoError(b, err)
	_, err = file.Write([]byte(content))
	require.NoError(b, err)
	require.NoError(b, form.Close())
	b.change = func(r *http.Request) {
		r.Header.Set("Content-Type", form.FormDataContentType())
		r.Body, r.ContentLength = &counted64{Reader: &body}, int64(body.Len())
	}
	defer func() { b.change = nil }()
	return b.post(path)
}

const wantedState = "version: dockit/v1\nrobots:\n  - name: cd\n    permissions: [\"repository:team/**:push\"]\n"

// carried is a hidden field of a page.
func carried(page, name string) string {
	found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}

// TestStateIsPlannedAndThenApplied guards that nothing happens that the plan did not show.
func TestStateIsPlannedAndThenApplied(t *testing.T) {
	for name, first := range map[string]func(*browser) *httptest.ResponseRecorder{
		"written": func(b *browser) *httptest.ResponseRecorder {
			return b.post("state/plan", "document", strings.ReplaceAll(wantedState, "\n", "\r\n"))
		},
		"a file": func(b *browser) *httptest.ResponseRecorder {
			return b.upload("state/plan", wantedState, "document", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := administrable(t)
			b := f.signedIn("root")
			planned := first(b)
			require.Equal(t, http.StatusOK, planned.Code, "body: %s", planned.Body)
			page := planned.Body.String()
			assert.Contains(t, page, "1 made, 0 changed, 0 removed.")
			assert.Contains(t, page, "robot:cd")
			assert.Contains(t, page, "permission repository:team/**:push")
			_, err := f.found("robot:cd")
			require.ErrorIs(t, err, store.ErrNotFound)
			document, tag := carried(page, "document"), carried(page, "tag")
			require.NotEmpty(t, tag)

			answer := b.post("state/apply", "document", document)
			assert.Equal(t, http.StatusPreconditionFailed, answer.Code, "without the plan")
			f.make("robot:cd")
			answer = b.post("state/apply", "document", document, "tag", tag)
			assert.Equal(t, http.StatusPreconditionFailed, answer.Code)
			assert.Contains(t, answer.Body.String(), "something else was, in the meantime")
			assert.Contains(t, answer.Body.String(), "0 made, 1 changed, 0 removed.", "what it would do now")
			answer = b.post("state/apply", "document", document, "tag", carried(answer.Body.String(), "tag"))
			require.Equal(t, "/dockit/state?done=state-applied", answer.Header().Get("Location"), "body: %s", answer.Body)
			assert.Contains(t, b.get("robots/cd/permissions").Body.String(), "repository:team/**:push")
			assert.Contains(t, first(b).Body.String(), "the state is what the document says already")
		})
	}
}

func TestLargeStateIsSentTwice(t *testing.T) {
	f := administrable(t)
	b := f.signedIn("root")
	large := wantedState + strings.Repeat("# a comment that says nothing\n", (256<<10)/20)
	page := b.upload("state/plan", large).Body.String()
	assert.Empty(t, carried(page, "document"))
	assert.Contains(t, page, "The same file, once more")
	assert.Less(t, len(page), 256<<10)
	answer := b.upload("state/apply", large, "tag", carried(page, "tag"))
	assert.Equal(t, "/dockit/state?done=state-applied", answer.Header().Get("Location"), "body: %s", answer.Body)
}

func TestStateRefusals(t *testing.T) {
	f := administrable(t)
	b := f.signedIn("root")
	for name, c := range map[string]struct {
		answer *httptest.ResponseRecorder
		status int
		says   string
	}{
		"nothing":        {b.post("state/plan"), http.StatusUnprocessableEntity, "choose a file, or write one"},
		"no document":    {b.post("state/plan", "document", "hello"), http.StatusUnprocessableEntity, "Plan a change"},
		"unknown field":  {b.post("state/plan", "document", "version: dockit/v1\ncolour: red\n"), http.StatusUnprocessableEntity, "line 2"},
		"everybody gone": {b.post("state/apply", "document", "version: dockit/v1\nusers: []\n", "prune", "yes", "tag", "x"), http.StatusPreconditionFailed, "removed"},
	} {
		assert.Equal(t, c.status, c.answer.Code, name)
		assert.Contains(t, c.answer.Body.String(), c.says, name)
	}
	page := b.post("state/plan", "document", "version: dockit/v1\nusers: []\n", "prune", "yes").Body.String()
	assert.Contains(t, page, "What the document does not list is removed.")
	answer := b.post("state/apply", "document", carried(page, "document"), "prune", carried(page, "prune"), "tag", carried(page, "tag"))
	assert.Equal(t, http.StatusConflict, answer.Code)
	assert.Contains(t, answer.Body.String(), "enabled admin")
	assert.Equal(t, http.StatusOK, b.get("users/bob").Code)
}

func TestStateIsDownloaded(t *testing.T) {
	f := administrable(t)
	b := f.signedIn("root")
	for format, begins := range map[string]string{"yaml": "version: dockit/v1", "json": "{"} {
		answer := b.get("state/download?format=" + format)
		assert.Equal(t, "application/"+format, answer.Header().Get("Content-Type"))
		assert.Equal(t, "attachment; filename=dockit-state."+format, answer.Header().Get("Content-Disposition"))
		assert.True(t, strings.HasPrefix(answer.Body.String(), begins), "%.60s", answer.Body)
		assert.NotContains(t, answer.Body.String(), "$2", "no hash of a password")
	}
}

// TestApplyTakesThePasswordOnceMore guards that the document goes along with the question.
func TestApplyTakesThePasswordOnceMore(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		b := f.signedIn("root")
		page := b.post("state/plan", "document", wantedState).Body.String()
		time.Sleep(5 * time.Minute)
		answer := b.post("state/apply", "document", carried(page, "document"), "tag", carried(page, "tag"))
		assert.Equal(t, http.StatusForbidden, answer.Code)
		again := answer.Body.String()
		assert.Contains(t, again, `action="/dockit/state/apply"`)
		answer = b.post("state/apply", "document", carried(again, "document"), "tag", carried(again, "tag"), confirmField, goodPassword)
		assert.Equal(t, "/dockit/state?done=state-applied", answer.Header().Get("Location"), "body: %s", answer.Body)
	})
}
