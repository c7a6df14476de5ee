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

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

const tokenPath = "/v2/token?service=registry.example.com&scope=repository:app:pull"

// TestReloadUnderLoad reloads 40 times while clients ask for tokens: nobody
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
			for ctx.Err() == nil {
				if err := askCounting(client, url, &resent); err != nil {
					t.Error(err)
					return
				}
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
	if n := resent.Load(); n > answers.Load()/1000+1 {
		t.Errorf("%d of %d requests got no answer", n, answers.Load())
	}
	if got := answers.Load(); got < reloads*clients {
		t.Errorf("only %d answers in %d reloads", got, reloads)
	}
	if openedDatabase(t, s.dsn) != opened {
		t.Error("the database was opened again")
	}
	if users, _ := databases.References(opened.key); users != 1 {
		t.Errorf("%d configurations use the database, want 1", users)
	}
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
	if found == nil {
		t.Fatalf("database %s is not open", dsn)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	old := module.(*Handler)
	app, err := old.leasedApp(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	second := first
	second.dsn = filepath.Join(t.TempDir(), "other.sqlite")
	mustLoad(t, second.String())
	if err := ask(newClient(t), second.url(tokenPath)); err != nil {
		t.Error(err)
	}
	after := openedDatabase(t, second.dsn)
	if app.database != before || !open(t, before) {
		t.Error("the reload closed the database under a request in flight")
	}
	app.database.release()
	if open(t, before) {
		t.Error("nobody uses the database any more, and it is open")
	}

	// A request that was accepted before the reload and comes to its handler
	// after it.
	recorder := httptest.NewRecorder()
	if err := old.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, tokenPath, nil), nil); err != nil {
		t.Fatal(err)
	}
	if recorder.Code != http.StatusOK {
		t.Errorf("a late request was answered with %d: %s", recorder.Code, recorder.Body)
	}
	if held := after.leases.Load(); held != 1 {
		t.Errorf("%d leases of the new database, want that of its configuration", held)
	}
}

// TestReloadWithRequestInFlight does the same over HTTP: a request whose body
// is half sent when the reload comes is answered from the old database.
func TestReloadWithRequestInFlight(t *testing.T) {
	first := newSite(t)
	mustLoad(t, first.String())
	before := openedDatabase(t, first.dsn)

	body, send := io.Pipe()
	req, err := http.NewRequest(http.MethodPost, first.url("/dockit/api/v1/users"), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth(rootName, rootPassword)
	answered := make(chan *http.Response, 1)
	go func() {
		resp, err := newClient(t).Do(req)
		if err != nil {
			t.Error(err)
		}
		answered <- resp
	}()
	if _, err := io.WriteString(send, `{"name":`); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); before.leases.Load() < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the request does not come through")
		}
	}

	second := first
	second.dsn = filepath.Join(t.TempDir(), "other.sqlite")
	mustLoad(t, second.String())

	if _, err := io.WriteString(send, `"alice"}`); err != nil {
		t.Fatal(err)
	}
	_ = send.Close()
	resp := <-answered
	if resp == nil {
		t.FailNow()
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		content, _ := io.ReadAll(resp.Body)
		t.Errorf("%s: %s", resp.Status, content)
	}
	for deadline := time.Now().Add(10 * time.Second); open(t, before); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the old database is never closed")
		}
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
		if err := ask(client, s.url(tokenPath)); err != nil {
			t.Fatal(err)
		}
		_, page := get(t, client, s.url("/metrics"))
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, "dockit_token_requests_total") && strings.Contains(line, `"issued"`) {
				counted[i] = strings.TrimSpace(line)
			}
		}
		if counted[i] == "" || (i > 0 && counted[i] == counted[i-1]) {
			t.Fatalf("after %d reloads: %q", i, counted)
		}
	}
}

// TestReloadThatFails checks that a configuration that does not work leaves
// the old one as it was, whether it fails when it is read or when it is
// started, and that nobody notices.
func TestReloadThatFails(t *testing.T) {
	s := newSite(t)
	mustLoad(t, s.String())
	opened := openedDatabase(t, s.dsn)
	if _, err := opened.store.CreateSubject(t.Context(), store.NewSubject{Ref: subject.Ref{Kind: subject.Robot, Name: "ci"}}); err != nil {
		t.Fatal(err)
	}
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
						if err := ask(client, s.url(tokenPath)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			for range 5 { // apps start in another order each time
				err := caddy.Load(adapt(t, "Caddyfile", broken.config), true)
				if err == nil || !strings.Contains(err.Error(), broken.says) {
					t.Errorf("loaded, or %v", err)
				}
			}
			stop()
			clients.Wait()
			if openedDatabase(t, s.dsn) != opened || !open(t, opened) {
				t.Error("the database was opened again, or is closed")
			}
			if users, _ := databases.References(opened.key); users != 1 {
				t.Errorf("%d configurations use the database, want 1", users)
			}
			others := 0
			databases.Range(func(any, any) bool { others++; return true })
			if others != 1 {
				t.Errorf("%d databases are open, want 1", others)
			}
		})
	}
}

// TestReloadBeforeTheStart asks a configuration that waits for its start while
// another one runs: that one answers.
func TestReloadBeforeTheStart(t *testing.T) {
	s := newSite(t)
	mustLoad(t, s.String())
	next, cleanup, err := provisionedApp(t, "service registry.example.com\ndatabase sqlite "+filepath.Join(t.TempDir(), "next.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer cleanup()
	recorder := httptest.NewRecorder()
	handler := &Handler{app: next, endpoints: handlers.AllEndpoints}
	if err := handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, tokenPath, nil), nil); err != nil {
		t.Fatal(err)
	}
	if recorder.Code != http.StatusOK {
		t.Errorf("%d: %s", recorder.Code, recorder.Body)
	}
}
