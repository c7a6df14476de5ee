package admin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/store"
)

const (
	ciDocument = "version: dockit/v1\nrobots:\n  - name: cd\n"
	soon       = time.Millisecond
)

// largeDocument has more bytes than a short one.
func largeDocument() string {
	var b strings.Builder
	b.WriteString("version: dockit/v1\nrobots:\n")
	for i := range shortDocument / 10 {
		fmt.Fprintf(&b, "  - name: x%d\n", i)
	}
	return b.String()
}

// TestOneDocumentAtATime has every place taken, and no caller waiting for ever.
func TestOneDocumentAtATime(t *testing.T) {
	f := populated(t)
	for name, c := range map[string]struct {
		places             *places
		method, path, body string
		waits              bool
	}{
		"a plan":         {f.api.states.working, "POST", "/state/plan", ciDocument, true},
		"an apply":       {f.api.states.working, "PUT", "/state", ciDocument, true},
		"an export":      {f.api.states.exporting, "GET", "/state", "", true},
		"a large plan":   {f.api.states.receiving, "POST", "/state/plan", largeDocument(), true},
		"others wait":    {f.api.states.working, "PUT", "/state", ciDocument, false},
		"exporters wait": {f.api.states.exporting, "GET", "/state", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			c.places.wait = soon
			for range cap(c.places.taken) {
				c.places.taken <- struct{}{}
			}
			if !c.waits {
				c.places.wait = time.Hour
				for range cap(c.places.waiting) {
					c.places.waiting <- struct{}{}
				}
			}
			got := f.do(c.method, c.path, c.body, yamlBody)
			assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode, "body: %s", got.body)
			assert.Equal(t, adminapi.CodeBusy, got.problem(t).Code)
			assert.Equal(t, "10", got.Header.Get("Retry-After"))
			for len(c.places.waiting) > 0 {
				<-c.places.waiting
			}
			for len(c.places.taken) > 0 {
				<-c.places.taken
			}
			got = f.do(c.method, c.path, c.body, yamlBody)
			assert.Equal(t, http.StatusOK, got.StatusCode, "body: %s", got.body)
			assert.Empty(t, c.places.taken, "a place is not given back")
		})
	}
}

// TestPlacesAreGivenBack after whatever goes wrong.
func TestPlacesAreGivenBack(t *testing.T) {
	f := populated(t)
	large := strings.Repeat("#\n", shortDocument)
	for _, body := range []string{"", "hello", ciDocument, largeDocument(), "hello\n" + large} {
		f.do("POST", "/state/plan", body, yamlBody)
		f.do("POST", "/state/plan?prune=true&add=true", body, yamlBody)
	}
	failing := httptest.NewRequestWithContext(t.Context(), "POST", "/dockit/api/v1/state/plan", io.MultiReader(strings.NewReader(large), failingReader{}))
	failing.SetBasicAuth("root", goodPassword)
	f.api.ServeHTTP(httptest.NewRecorder(), failing)
	for name, p := range map[string]*places{"working": f.api.states.working, "receiving": f.api.states.receiving} {
		assert.Empty(t, p.taken, name)
		assert.Empty(t, p.waiting, name)
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestSlowDocumentHoldsUpNobody has a document that never comes to its end while
// others plan.
func TestSlowDocumentHoldsUpNobody(t *testing.T) {
	f := populated(t)
	body, send := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	slow := httptest.NewRequestWithContext(ctx, "PUT", "/dockit/api/v1/state", body)
	slow.SetBasicAuth("root", goodPassword)
	var done sync.WaitGroup
	done.Go(func() { f.api.ServeHTTP(httptest.NewRecorder(), slow) })
	_, err := io.WriteString(send, strings.Repeat("#\n", shortDocument))
	require.NoError(t, err)
	got := f.do("POST", "/state/plan", ciDocument, yamlBody)
	assert.Equal(t, http.StatusOK, got.StatusCode, "body: %s", got.body)
	cancel()
	require.NoError(t, send.CloseWithError(io.ErrUnexpectedEOF))
	done.Wait()
}

// TestPlanIsWhatTheSchemaSays reads a plan that was written in parts.
func TestPlanIsWhatTheSchemaSays(t *testing.T) {
	f := populated(t)
	var plan adminapi.Plan
	f.do("POST", "/state/plan", "version: dockit/v1\nusers: []\n", yamlBody).decode(t, &plan)
	assert.Equal(t, adminapi.Plan{}, adminapi.Plan{Created: plan.Created, Updated: plan.Updated, Removed: plan.Removed})
	assert.NotNil(t, plan.Changes, "an empty list, not null")
	f.do("POST", "/state/plan", "version: dockit/v1\nrobots:\n  - name: x\n  - name: y\n    permissions: [\"repository:a/**:push\"]\n", yamlBody).decode(t, &plan)
	assert.Equal(t, 2, plan.Created)
	require.Len(t, plan.Changes, 2)
	assert.Equal(t, "repository:a/**:push", plan.Changes[1].Grant[0].String())
}

// TestBoundsAreNamed looks for the bound, and how to raise it, in every refusal.
func TestBoundsAreNamed(t *testing.T) {
	f := populated(t)
	f.api.config.MaxState = 64 << 10
	f.store.SetMaxPermissions(3)
	f.create(store.NewSubject{Ref: robot("full")})
	four := "version: dockit/v1\nrobots:\n  - name: full\n    permissions:\n"
	for i := range 4 {
		four += fmt.Sprintf("      - repository:r%d:pull\n", i)
	}
	for i := range 3 {
		require.Equal(t, 200, f.do("POST", "/robots/full/permissions", fmt.Sprintf(`{"permission":"repository:g%d:pull"}`, i)).StatusCode)
	}
	chunked := func(r *http.Request) { yamlBody(r); r.ContentLength = -1 }
	for name, c := range map[string]struct {
		method, path, body string
		change             func(*http.Request)
		status             int
		code               adminapi.Code
		says               []string
	}{
		"a grant":           {"POST", "/robots/full/permissions", `{"permission":"repository:g3:pull"}`, nil, 409, adminapi.CodeTooMany, []string{"robot:full has 3", "at most 3", "--max-permissions"}},
		"a plan":            {"POST", "/state/plan", four, yamlBody, 409, adminapi.CodeTooMany, []string{"robot:full would have 4", "at most 3", "--max-permissions"}},
		"an apply":          {"PUT", "/state", four, yamlBody, 409, adminapi.CodeTooMany, []string{"robot:full would have 4", "at most 3", "--max-permissions"}},
		"an import":         {"PUT", "/state?add=true", four, yamlBody, 409, adminapi.CodeTooMany, []string{"robot:full would have 7", "at most 3"}},
		"a large document":  {"PUT", "/state", ciDocument + strings.Repeat("#\n", 40<<10), yamlBody, 413, adminapi.CodeInvalid, []string{"64 KiB", "--max-state-size"}},
		"of unknown length": {"PUT", "/state", ciDocument + strings.Repeat("#\n", 40<<10), chunked, 413, adminapi.CodeInvalid, []string{"64 KiB", "--max-state-size"}},
	} {
		t.Run(name, func(t *testing.T) {
			change := c.change
			if change == nil {
				change = func(*http.Request) {}
			}
			got := f.do(c.method, c.path, c.body, change)
			assert.Equal(t, c.status, got.StatusCode, "body: %s", got.body)
			assert.Equal(t, c.code, got.problem(t).Code)
			for _, words := range c.says {
				assert.Contains(t, got.problem(t).Detail, words)
			}
		})
	}
}
