package dockit

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/handlers"
)

// Caddy may start its HTTP servers before the app, whose first start makes the
// first admin: no client must hear that the right password is wrong.
func TestRequestsWaitForTheStart(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	t.Setenv(rootPasswordVariable, rootPassword)
	app := &App{
		Database: &Database{Dialect: "sqlite", DSN: filepath.Join(t.TempDir(), "dockit.sqlite")},
		RootUser: &RootUser{Name: "root", Password: "{env." + rootPasswordVariable + "}"},
	}
	require.NoError(t, app.Provision(ctx))
	defer app.Cleanup()
	handler := &Handler{app: app, endpoints: handlers.AllEndpoints}
	serve := func(ctx context.Context) (int, error) {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v2/token?service=registry", nil)
		r.SetBasicAuth("root", rootPassword)
		w := httptest.NewRecorder()
		err := handler.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			return errors.New("handed on")
		}))
		return w.Code, err
	}

	gone, leave := context.WithCancel(t.Context())
	leave()
	_, err := serve(gone)
	var refused caddyhttp.HandlerError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, handlers.StatusClientClosed, refused.StatusCode, "Caddy logs a 5xx as an error")
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	_, err = serve(late)
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusServiceUnavailable, refused.StatusCode)

	waiting := make(chan int, 1)
	go func() {
		status, _ := serve(t.Context())
		waiting <- status
	}()
	require.NoError(t, app.Start())
	require.Equal(t, http.StatusOK, <-waiting)
}

// A client that left is no reason to say that Dockit has not started, when it
// has, nor for an error in the log, about which an administrator could do nothing.
func TestClientsThatLeaveAreNoErrors(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	app := &App{started: make(chan struct{})}
	require.ErrorIs(t, app.awaitStart(gone), context.Canceled)
	close(app.started)
	for range 100 {
		require.NoError(t, app.awaitStart(gone))
	}

	// Started, and its database let go of: the configuration was replaced.
	handler := &Handler{app: app, endpoints: handlers.AllEndpoints}
	r := httptest.NewRequestWithContext(gone, http.MethodGet, "/v2/token", nil)
	var refused caddyhttp.HandlerError
	require.ErrorAs(t, handler.ServeHTTP(httptest.NewRecorder(), r, nil), &refused)
	require.Equal(t, handlers.StatusClientClosed, refused.StatusCode)
	require.NotContains(t, refused.Error(), "has not started yet")
	require.ErrorAs(t, handler.ServeHTTP(httptest.NewRecorder(), r.WithContext(t.Context()), nil), &refused)
	require.Equal(t, http.StatusServiceUnavailable, refused.StatusCode)
}
