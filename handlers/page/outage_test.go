package page

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/cache"
)

// awaySessions are those of a database that does not answer.
type awaySessions struct{}

func (awaySessions) BeginPageSession(context.Context, auth.Principal) (string, auth.PageSession, error) {
	return "", auth.PageSession{}, cache.ErrUnavailable
}

func (awaySessions) ByPageSession(context.Context, string) (auth.Principal, error) {
	return auth.Principal{}, cache.ErrUnavailable
}

func (awaySessions) ProvePageSession(context.Context, auth.Principal, auth.Principal) error {
	return cache.ErrUnavailable
}

func (awaySessions) EndPageSession(context.Context, auth.Principal) error {
	return cache.ErrUnavailable
}

// TestDatabaseThatIsAwayIsSaid guards that people read what is the matter, and are not told that their password is wrong.
func TestDatabaseThatIsAwayIsSaid(t *testing.T) {
	f := newFixture(t)
	b := f.signedIn("alice")
	f.page.Sessions = awaySessions{}
	for what, do := range map[string]func() (int, string, string){
		"a page": func() (int, string, string) {
			answer := b.get("")
			return answer.Code, answer.Header().Get("Retry-After"), answer.Body.String()
		},
		"the sign-in": func() (int, string, string) {
			answer := f.browser().post("sign-in", "name", "alice", "password", goodPassword)
			return answer.Code, answer.Header().Get("Retry-After"), answer.Body.String()
		},
	} {
		status, retry, page := do()
		assert.Equal(t, http.StatusServiceUnavailable, status, what)
		assert.Equal(t, "5", retry, what)
		assert.Contains(t, page, "the database takes no changes or does not answer", what)
	}
}

// TestFilesThatWereSentAreForgotten guards the disk of the server.
func TestFilesThatWereSentAreForgotten(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	f := newFixture(t)
	b := f.signedIn("root")
	kept := 0
	f.page.AdminUpload("test/upload", 64*frame.MaxForm, func(v *frame.Visit) error {
		entries, err := os.ReadDir(folder)
		kept = len(entries)
		if err != nil {
			return err
		}
		return v.Done("", v.PostFormValue("name"))
	})
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	require.NoError(t, form.WriteField("name", "x"))
	file, err := form.CreateFormFile("document", "state.yaml")
	require.NoError(t, err)
	_, err = file.Write(bytes.Repeat([]byte("x"), 32*frame.MaxForm))
	require.NoError(t, err)
	require.NoError(t, form.Close())
	answer := b.send(http.MethodPost, frame.Root+"test/upload", form.FormDataContentType(), &body)
	require.Equal(t, "/dockit/?done=x", answer.Header().Get("Location"), "body: %s", answer.Body)
	assert.Positive(t, kept, "while it is looked at")
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Empty(t, entries)
}
