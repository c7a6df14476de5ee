package dockit

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

const tokenPath = "/v2/token?service=registry.example.com&scope=repository:app:pull"

// TestReloadUnderLoad reloads 40 times while clients ask for tokens: no client
// may get anything but 200, and the database stays open all the time.
func TestReloadUnderLoad(t *testing.T) {
	const reloads, clients = 40, 8
	s := newSite(t)
	mustLoad(t, s.String())
	opened := openedDatabase(t, s.dsn)
	url := s.url(tokenPath)

	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var answers, resent atomic.Int64
	for range clients {
		wg.Go(func() {
			client := newClient(t)
			for ctx.Err() == nil && assert.NoError(t, askCounting(client, url, &resent)) {
				answers.Add(1)
			}
		})
	}
	for i := range reloads {
		s.dockit = "token_ttl " + []string{"5m", "6m"}[i%2]
		mustLoad(t, s.String())
		before := answers.Load()
		for deadline := time.Now().Add(5 * time.Second); answers.Load() < before+clients && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
	}
	stop()
	wg.Wait()
	n := resent.Load()
	assert.LessOrEqual(t, n, answers.Load()/1000+1, "%d of %d requests got no answer", n, answers.Load())
	got := answers.Load()
	assert.GreaterOrEqual(t, got, int64(reloads*clients), "only %d answers in %d reloads", got, reloads)
	assert.Same(t, opened, openedDatabase(t, s.dsn), "the database was opened again")
	users, _ := databases.References(opened.key)
	assert.Equal(t, 1, users, "configurations use the database")
}

// ask sends a request that must be answered with 200. Caddy closes a
// connection without an answer once in very many requests, just when it is
// used again; such a request is sent a second time.
func ask(client *http.Client, url string) error {
	return askCounting(client, url, new(atomic.Int64))
}

// askCounting is ask, and counts what had to be sent a second time.
func askCounting(client *http.Client, url string, resent *atomic.Int64) error {
	resp, err := client.Get(url)
	if unanswered(err) {
		resent.Add(1)
		resp, err = client.Get(url)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status + ": " + string(body))
	}
	return nil
}

// unanswered reports whether a connection was closed before an answer came.
func unanswered(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}

func newClient(t testing.TB) *http.Client {
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func openedDatabase(t testing.TB, dsn string) *database {
	t.Helper()
	var found *database
	databases.Range(func(key, value any) bool {
		if key.(store.Config).DSN == dsn {
			found = value.(*database)
		}
		return found == nil
	})
	require.NotNil(t, found, "database %s is not open", dsn)
	return found
}

// TestReloadWithAnotherDatabase reloads while a request is in flight that
// still needs the database of the configuration before.
func TestReloadWithAnotherDatabase(t *testing.T) {
	first := newSite(t)
	mustLoad(t, first.String())
	before := openedDatabase(t, first.dsn)

	// A handler of the old configuration that has its lease, and has not used
	// it yet.
	module, err := caddy.ActiveContext().LoadModuleByID("http.handlers.dockit", []byte("{}"))
	require.NoError(t, err)
	old := module.(*Handler)
	app, err := old.leasedApp(t.Context())
	require.NoError(t, err)

	second := first
	second.dsn = filepath.Join(t.TempDir(), "other.sqlite")
	mustLoad(t, second.String())
	require.NoError(t, ask(newClient(t), second.url(tokenPath)))
	after := openedDatabase(t, second.dsn)
	assert.Same(t, before, app.database, "the reload closed the database under a request in flight")
	assert.True(t, open(t, before), "the reload closed the database under a request in flight")
	app.database.release()
	assert.False(t, open(t, before), "nobody uses the database any more, and it is open")

	// A request that was accepted before the reload and comes to its handler
	// after it.
	recorder := httptest.NewRecorder()
	require.NoError(t, old.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, tokenPath, nil), nil))
	assert.Equal(t, http.StatusOK, recorder.Code, "a late request was answered: %s", recorder.Body)
	assert.EqualValues(t, 1, after.leases.Load(), "leases of the new database, want that of its configuration")
}

// TestReloadWithRequestInFlight does the same over HTTP: a request whose body
// is half sent when the reload comes is answered from the old database.
func TestReloadWithRequestInFlight(t *testing.T) {
	first := newSite(t)
	mustLoad(t, first.String())
	before := openedDatabase(t, first.dsn)

	body, send := io.Pipe()
	req, err := http.NewRequest(http.MethodPost, first.url("/dockit/api/v1/users"), body)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth(rootName, rootPassword)
	answered := make(chan *http.Response, 1)
	go func() {
		resp, err := newClient(t).Do(req)
		assert.NoError(t, err)
		answered <- resp
	}()
	_, err = io.WriteString(send, `{"name":`)
	require.NoError(t, err)
	for deadline := time.Now().Add(10 * time.Second); before.leases.Load() < 2; time.Sleep(time.Millisecond) {
		require.LessOrEqual(t, time.Now(), deadline, "the request does not come through")
	}

	second := first
	second.dsn = filepath.Join(t.TempDir(), "other.sqlite")
	mustLoad(t, second.String())

	_, err = io.WriteString(send, `"alice"}`)
	require.NoError(t, err)
	_ = send.Close()
	resp := <-answered
	require.NotNil(t, resp)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusCreated, resp.StatusCode, "%s", content)
	for deadline := time.Now().Add(10 * time.Second); open(t, before); time.Sleep(time.Millisecond) {
		require.LessOrEqual(t, time.Now(), deadline, "the old database is never closed")
	}
}

// TestReloadKeepsMetrics checks that each configuration serves the metrics,
// and that counters go on.
func TestReloadKeepsMetrics(t *testing.T) {
	s := newSite(t)
	s.handlers = "dockit\n\tmetrics /metrics"
	counted := make([]string, 3)
	for i := range counted {
		mustLoad(t, s.String())
		client := newClient(t)
		require.NoError(t, ask(client, s.url(tokenPath)))
		_, page := get(t, client, s.url("/metrics"))
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, `dockit_token_requests_total{grant="anonymous",outcome="issued"`) {
				counted[i] = strings.TrimSpace(line)
			}
		}
		require.NotEmpty(t, counted[i], "after %d reloads", i)
		if i > 0 {
			require.NotEqual(t, counted[i-1], counted[i], "after %d reloads", i)
		}
	}
}

// TestReloadThatFails checks that a configuration that does not work leaves
// the old one as it was, whether it fails when it is read or when it is
// started, and that no client notices.
func TestReloadThatFails(t *testing.T) {
	s := newSite(t)
	mustLoad(t, s.String())
	opened := openedDatabase(t, s.dsn)
	_, err := opened.store.CreateSubject(t.Context(), store.NewSubject{Ref: subject.Ref{Kind: subject.Robot, Name: "ci"}})
	require.NoError(t, err)
	t.Setenv("DOCKIT_TEST_MYSQL", "dockit:hunter2@tcp(127.0.0.1:1)/dockit")
	config := s.String()
	for name, broken := range map[string]struct{ config, says string }{
		"when it is read":                  {strings.Replace(config, "service ", "pki file /nowhere/key.pem\nservice ", 1), "/nowhere/key.pem"},
		"when the same database is used":   {strings.Replace(config, "root_user "+rootName, "root_user ci", 1), `"ci"`},
		"when another database is opened":  {strings.Replace(config, "sqlite "+s.dsn, "mysql {env.DOCKIT_TEST_MYSQL}", 1), "127.0.0.1:1"},
		"when another server is to listen": {config + "\nhttp://203.0.113.1:1 {\n bind 203.0.113.1\n}\n", "203.0.113.1"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			var clients sync.WaitGroup
			for range 4 {
				clients.Go(func() {
					for client := newClient(t); ctx.Err() == nil; client.CloseIdleConnections() {
						assert.NoError(t, ask(client, s.url(tokenPath)))
					}
				})
			}
			for range 5 { // apps start in another order each time
				err := caddy.Load(adapt(t, "Caddyfile", broken.config), true)
				require.ErrorContains(t, err, broken.says, "loaded")
			}
			stop()
			clients.Wait()
			assert.Same(t, opened, openedDatabase(t, s.dsn), "the database was opened again, or is closed")
			assert.True(t, open(t, opened), "the database was opened again, or is closed")
			users, _ := databases.References(opened.key)
			assert.Equal(t, 1, users, "configurations use the database")
			others := 0
			databases.Range(func(any, any) bool { others++; return true })
			assert.Equal(t, 1, others, "databases are open")
		})
	}
}

// TestReloadBeforeTheStart asks a configuration that waits for its start while
// another one runs: that one answers.
func TestReloadBeforeTheStart(t *testing.T) {
	s := newSite(t)
	mustLoad(t, s.String())
	next, cleanup, err := provisionedApp(t, "service registry.example.com\ndatabase sqlite "+filepath.Join(t.TempDir(), "next.sqlite"))
	require.NoError(t, err)
	defer cleanup()
	recorder := httptest.NewRecorder()
	handler := &Handler{app: next, endpoints: handlers.AllEndpoints}
	require.NoError(t, handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, tokenPath, nil), nil))
	assert.Equal(t, http.StatusOK, recorder.Code, "%s", recorder.Body)
}
