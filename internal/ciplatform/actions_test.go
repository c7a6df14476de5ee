package ciplatform

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/httpclient"
)

const bearer = "the-job's-own-secret"

// actions is the environment of a job of GitHub, whose endpoint answers as it is told.
func actions(t *testing.T, answer http.HandlerFunc) (e Environment, asked *[]*http.Request) {
	t.Helper()
	asked = new([]*http.Request)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r)
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	e = in(t, map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": server.URL + "/idtoken?api-version=2.0&jobId=a%2Fb", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer})
	e.HTTP = httpclient.New(httpclient.Options{Timeout: 10 * time.Second})
	return e, asked
}

// TestActionsOnTheWire guards what GitHub and Forgejo are asked.
func TestActionsOnTheWire(t *testing.T) {
	t.Parallel()
	raw := token(t, audience)
	e, asked := actions(t, func(w http.ResponseWriter, _ *http.Request) {
		assert.NoError(t, json.NewEncoder(w).Encode(map[string]any{"count": 4, "value": raw}))
	})
	source, err := e.Find("")
	require.NoError(t, err)
	got, err := source.Token(t.Context(), audience, "https://"+audience)
	require.NoError(t, err)
	assert.Equal(t, raw, got)
	require.Len(t, *asked, 1)
	assert.Equal(t, "GET /idtoken?api-version=2.0&jobId=a%2Fb&audience=registry.example.com", (*asked)[0].Method+" "+(*asked)[0].URL.String())
	assert.Equal(t, "bearer "+bearer, (*asked)[0].Header.Get("Authorization"))
}

func TestActionsRefuses(t *testing.T) {
	t.Parallel()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "says\x1b[31m "+bearer, code) }
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		says   string
		again  bool
	}{
		"not permitted": {status(403), "status 403 Forbidden", false},
		"busy":          {status(503), "status 503", true},
		"too often":     {status(429), "status 429", true},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "status 307", false},
		"no JSON":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "there is none in its answer", false},
		"no value": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }, "there is none in its answer", false},
		"no end": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat(" ", maxAnswer+1))
		}, "more than 1048576 bytes", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, asked := actions(t, tc.answer)
			source, err := e.Find("")
			require.NoError(t, err)
			_, err = source.Token(t.Context(), audience)
			require.ErrorContains(t, err, "GitHub Actions: ask 127.0.0.1:")
			require.ErrorContains(t, err, tc.says)
			assert.NotContains(t, err.Error(), bearer)
			assert.NotContains(t, err.Error(), "jobId")
			assert.Len(t, *asked, 1)
			failed, ok := errors.AsType[*statusError](err)
			if ok {
				_, ok = failed.RetryAfter()
			}
			assert.Equal(t, tc.again, ok)
		})
	}
}

// TestActionsOverPlainHTTP guards that the secret of the job does not cross a network
// in the clear.
func TestActionsOverPlainHTTP(t *testing.T) {
	t.Parallel()
	for address, says := range map[string]string{
		"http://forgejo.example.com/api/actions": "not on https",
		"forgejo.example.com":                    "is no URL",
		"https://user:secret@forgejo.example":    "is no URL",
		"ftp://forgejo.example.com":              "not on https",
	} {
		e := in(t, map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": address, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer})
		e.HTTP = httpclient.New(httpclient.Options{Timeout: 10 * time.Second})
		source, err := e.Find("")
		require.NoError(t, err)
		_, err = source.Token(t.Context(), audience)
		require.ErrorContains(t, err, says, address)
		assert.NotContains(t, err.Error(), "secret@", address)
	}
}
