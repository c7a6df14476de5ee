package credentialprovider

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/httpclient"
)

// dockit plays Dockit and the registry.
type dockit struct {
	*httptest.Server

	mu        sync.Mutex
	service   string
	exchanges int
	// refuse answers an exchange instead.
	refuse func(w http.ResponseWriter)
	// asked are the form fields of the last exchange, and paths what was asked for.
	asked url.Values
	paths []string
}

func newDockit(t *testing.T) *dockit {
	t.Helper()
	d := &dockit{service: "registry.example.com"}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *dockit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.paths = append(d.paths, r.Method+" "+r.URL.Path)
	if r.URL.Path == "/v2/" {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="https://elsewhere.example.com/v2/token",service=%q`, d.service))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_ = r.ParseForm()
	d.asked = r.PostForm
	if d.refuse != nil {
		d.refuse(w)
		return
	}
	d.exchanges++
	robot := r.PostForm.Get("resource")
	if robot == "" {
		robot = "k8s"
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":"dockit_%d","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"N_A","expires_in":1000,"username":%q}`, d.exchanges, robot)
}

func (d *dockit) host() string { return strings.TrimPrefix(d.URL, "http://") }

func (d *dockit) provider(t *testing.T) Provider {
	t.Helper()
	server, err := ParseServer(d.URL)
	require.NoError(t, err)
	return Provider{
		Registries: []string{d.host()}, Server: server, Mode: Exchange, HTTP: httpclient.New(httpclient.Options{}),
		Folder: filepath.Join(t.TempDir(), "kept"), Patience: time.Minute,
	}
}

// status answers with an error in JSON.
func status(code int, text, sentence string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"error":%q,"error_description":%q}`, text, sentence)
	}
}

// pod is the token of a pod of a service account. Nobody signed it.
func pod(namespace, name, pod string, more map[string]any) string {
	claims := map[string]any{
		"iss": "https://kubernetes.default.svc", "aud": []string{"https://registry.example.com"}, "sub": "system:serviceaccount:" + namespace + ":" + name,
		"exp": time.Now().Add(time.Hour).Unix(),
		"kubernetes.io": map[string]any{
			"namespace": namespace, "serviceaccount": map[string]any{"name": name, "uid": "uid-" + namespace + "-" + name}, "pod": map[string]any{"name": pod},
		},
	}
	maps.Copy(claims, more)
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err) // it can be written
	}
	return "e30." + base64.RawURLEncoding.EncodeToString(payload) + ".c2ln"
}

func TestExchange(t *testing.T) {
	d := newDockit(t)
	p := d.provider(t)
	token := pod("team-a", "app", "app-0", nil)
	got, err := p.Provide(t.Context(), Request{Host: d.host(), Token: token})
	require.NoError(t, err)
	duration, err := time.ParseDuration(got.CacheDuration)
	require.NoError(t, err)
	assert.InDelta(t, 800, duration.Seconds(), 30, "four fifths of 1000 s")
	got.CacheDuration = ""
	assert.Equal(t, Response{Host: d.host(), Username: "k8s", Password: "dockit_1"}, got)
	assert.Equal(t, token, d.asked.Get("subject_token"))
	assert.Equal(t, "registry.example.com", d.asked.Get("audience"), "as the registry says")
	assert.Empty(t, d.asked.Get("resource"))
	assert.Equal(t, []string{"GET /v2/", "POST /v2/token"}, d.paths)

	chosen := Request{Host: d.host(), Token: token, Annotations: map[string]string{RobotAnnotation: "robot:deploy"}}
	got, err = p.Provide(t.Context(), chosen)
	require.NoError(t, err)
	assert.Equal(t, []string{"deploy", "dockit_2", "deploy"}, []string{got.Username, got.Password, d.asked.Get("resource")}, "another robot, another login")

	p.Service, d.paths = "other", nil
	_, err = p.Provide(t.Context(), chosen)
	require.NoError(t, err)
	assert.Equal(t, "other", d.asked.Get("audience"))
	assert.Equal(t, []string{"POST /v2/token"}, d.paths, "the registry need not be asked")
}

// TestTokensGoNowhereElse guards that matchImages alone decides nothing.
func TestTokensGoNowhereElse(t *testing.T) {
	d := newDockit(t)
	p := d.provider(t)
	for _, host := range []string{"evil.example.com", d.host() + "0", "x" + d.host(), "127.0.0.1", ""} {
		for _, p.Mode = range []Mode{Exchange, Echo} {
			_, err := p.Provide(t.Context(), Request{Host: host, Token: pod("a", "b", "c", nil)})
			require.ErrorContains(t, err, "none of the registries that tokens may go to", host)
			require.ErrorContains(t, err, "take it out of matchImages", host)
		}
	}
	assert.Empty(t, d.paths)
}

// TestTokensForOneRegistryGoToNoOther: who runs the second of two registries could log in at the first with it.
func TestTokensForOneRegistryGoToNoOther(t *testing.T) {
	d := newDockit(t)
	p := d.provider(t)
	p.Registries = append(p.Registries, "registry.example.com")
	server := p.Server
	p.Server = nil
	for _, audience := range []any{"registry.example.com", []string{"mine", "https://registry.example.com"}} {
		for _, p.Mode = range []Mode{Exchange, Echo} {
			_, err := p.Provide(t.Context(), Request{Host: d.host(), Token: pod("a", "b", "c", map[string]any{"aud": audience})})
			require.ErrorContains(t, err, "would get it: give each registry a provider's entry of its own")
		}
	}
	assert.Empty(t, d.paths)
	p.Server, p.Mode = server, Exchange
	_, err := p.Provide(t.Context(), Request{Host: d.host(), Token: pod("a", "b", "c", nil)})
	require.NoError(t, err, "one Dockit is behind both")
}

// TestPodsShareTheLoginOfTheirServiceAccount: of all that a kubelet starts at once, one
// asks Dockit; another account never gets what it was given.
func TestPodsShareTheLoginOfTheirServiceAccount(t *testing.T) {
	d := newDockit(t)
	p := d.provider(t)
	ask := func(namespace, name, podName string, more map[string]any, annotations map[string]string) string {
		got, err := p.Provide(t.Context(), Request{Host: d.host(), Token: pod(namespace, name, podName, more), Annotations: annotations})
		assert.NoError(t, err)
		return got.Password
	}
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() { assert.Equal(t, "dockit_1", ask("team-a", "app", fmt.Sprint("app-", n), nil, nil)) })
	}
	all.Wait()
	assert.Equal(t, 1, d.exchanges)

	seen := map[string]string{"dockit_1": "team-a/app"}
	for name, other := range map[string]func() string{
		"another namespace": func() string { return ask("team-b", "app", "app-0", nil, nil) },
		"another account":   func() string { return ask("team-a", "other", "app-0", nil, nil) },
		"another robot":     func() string { return ask("team-a", "app", "app-0", nil, map[string]string{RobotAnnotation: "cd"}) },
		"another cluster":   func() string { return ask("team-a", "app", "app-0", map[string]any{"iss": "https://other"}, nil) },
		"another audience":  func() string { return ask("team-a", "app", "app-0", map[string]any{"aud": "mine"}, nil) },
		"an account made anew": func() string {
			return ask("team-a", "app", "app-0", map[string]any{"kubernetes.io": map[string]any{"serviceaccount": map[string]any{"uid": "new"}}}, nil)
		},
		"one whose names run over": func() string { return ask("team-a:app", "", "app-0", nil, nil) },
		"no uid, the first time":   func() string { return ask("team-a", "app", "app-0", map[string]any{"kubernetes.io": nil}, nil) },
		"no uid, the second time":  func() string { return ask("team-a", "app", "app-0", map[string]any{"kubernetes.io": nil}, nil) },
		"nothing kept, by the flag": func() string {
			kept := p.Folder
			p.Folder = ""
			defer func() { p.Folder = kept }()
			return ask("team-a", "app", "app-0", nil, nil)
		},
	} {
		got := other()
		assert.Empty(t, seen[got], "%s got the login of %s", name, seen[got])
		seen[got] = name
	}

	// It is renewed when four fifths of its life are over.
	now := time.Now()
	p.Now = func() time.Time { return now }
	now = now.Add(790 * time.Second)
	assert.Equal(t, "dockit_1", ask("team-a", "app", "app-0", nil, nil))
	now = now.Add(20 * time.Second)
	renewed := ask("team-a", "app", "app-0", nil, nil)
	assert.Empty(t, seen[renewed])
	assert.Equal(t, renewed, ask("team-a", "app", "app-1", nil, nil))
	now = now.Add(-24 * time.Hour)
	assert.NotEqual(t, renewed, ask("team-a", "app", "app-0", nil, nil), "the clock went back")

	// What nobody needs is removed.
	files, err := os.ReadDir(p.Folder)
	require.NoError(t, err)
	require.Greater(t, len(files), 3)
	for _, file := range files {
		info, err := file.Info()
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		long := time.Now().Add(-48 * time.Hour)
		require.NoError(t, os.Chtimes(filepath.Join(p.Folder, file.Name()), long, long))
	}
	p.Now = nil
	ask("team-z", "app", "app-0", nil, nil)
	files, err = os.ReadDir(p.Folder)
	require.NoError(t, err)
	assert.Len(t, files, 1)
}

// TestNothingIsKeptWhereOthersRead guards secrets in a folder that somebody else made.
func TestNothingIsKeptWhereOthersRead(t *testing.T) {
	d := newDockit(t)
	p := d.provider(t)
	var warned error
	p.Warn = func(err error) { warned = err }
	request := Request{Host: d.host(), Token: pod("team-a", "app", "app-0", nil)}
	for name, prepare := range map[string]func(folder string) error{
		"open to others": func(folder string) error { return errors.Join(os.Mkdir(folder, 0o700), os.Chmod(folder, 0o755)) },
		"a link":         func(folder string) error { return os.Symlink(t.TempDir(), folder) },
		"a file":         func(folder string) error { return os.WriteFile(folder, nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			p.Folder, warned = filepath.Join(t.TempDir(), "kept"), nil
			require.NoError(t, prepare(p.Folder))
			before := d.exchanges
			for range 2 {
				_, err := p.Provide(t.Context(), request)
				require.NoError(t, err, "it works without")
			}
			assert.Equal(t, before+2, d.exchanges)
			require.ErrorContains(t, warned, "each pod asks Dockit")
		})
	}
	p.Folder = filepath.Join(t.TempDir(), "kept")
	_, err := p.Provide(t.Context(), request)
	require.NoError(t, err)
	files, err := os.ReadDir(p.Folder)
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.NoError(t, os.WriteFile(filepath.Join(p.Folder, files[0].Name()), []byte(`{"username":"k8s","pass`), 0o600))
	before := d.exchanges
	_, err = p.Provide(t.Context(), request)
	require.NoError(t, err)
	assert.Equal(t, before+1, d.exchanges, "half a file is none")
}

// TestDockitIsAway: the pull goes on with the token itself, and the kubelet keeps that
// for no other pull.
func TestDockitIsAway(t *testing.T) {
	token := pod("team-a", "app", "app-0", nil)
	for name, prepare := range map[string]func(d *dockit, p *Provider){
		"closed":         func(d *dockit, _ *Provider) { d.Close() },
		"no such server": func(_ *dockit, p *Provider) { p.Server = &url.URL{Scheme: "http", Host: "127.0.0.1:1"} },
		"its database is away": func(d *dockit, _ *Provider) {
			d.refuse = status(503, "temporarily_unavailable", "the database does not answer")
		},
		"a proxy before it": func(d *dockit, _ *Provider) {
			d.refuse = func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }
		},
		"broken": func(d *dockit, _ *Provider) { d.refuse = status(500, "server_error", "see the log") },
		"slow": func(d *dockit, p *Provider) {
			p.Patience = 50 * time.Millisecond
			done := make(chan struct{})
			slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
			t.Cleanup(slow.Close)
			t.Cleanup(func() { close(done) })
			p.Server, _ = url.Parse(slow.URL)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDockit(t)
			p := d.provider(t)
			var warned error
			p.Warn = func(err error) { warned = err }
			prepare(d, &p)
			got, err := p.Provide(t.Context(), Request{Host: d.host(), Token: token})
			require.NoError(t, err)
			assert.Equal(t, Response{Host: d.host(), Username: "_", Password: token, CacheDuration: "0s"}, got)
			require.ErrorContains(t, warned, "no answer of Dockit")
			assert.NotContains(t, warned.Error(), token)
		})
	}
	t.Run("the login before still works", func(t *testing.T) {
		d := newDockit(t)
		p := d.provider(t)
		now := time.Now()
		p.Now = func() time.Time { return now }
		request := Request{Host: d.host(), Token: token, Annotations: map[string]string{RobotAnnotation: "ci"}}
		_, err := p.Provide(t.Context(), request)
		require.NoError(t, err)
		d.refuse = status(503, "temporarily_unavailable", "busy")
		now = now.Add(900 * time.Second)
		got, err := p.Provide(t.Context(), request)
		require.NoError(t, err)
		assert.Equal(t, Response{Host: d.host(), Username: "ci", Password: "dockit_1", CacheDuration: "0s"}, got)
		now = now.Add(60 * time.Second)
		got, err = p.Provide(t.Context(), request)
		require.NoError(t, err)
		assert.Equal(t, Response{Host: d.host(), Username: "ci", Password: token, CacheDuration: "0s"}, got, "no pull ends in its last minute")
	})
}

// TestWaitingForAnotherPodEnds guards that a process which hangs hangs no others.
func TestWaitingForAnotherPodEnds(t *testing.T) {
	d := newDockit(t)
	p := d.provider(t)
	token := pod("team-a", "app", "app-0", nil)
	request := Request{Host: d.host(), Token: token}
	a, err := accountOf(token)
	require.NoError(t, err)
	other, err := p.open(t.Context(), request, a, "")
	require.NoError(t, err)
	p.Patience = 30 * time.Millisecond
	got, err := p.Provide(t.Context(), request)
	require.NoError(t, err)
	assert.Equal(t, token, got.Password)
	assert.Zero(t, d.exchanges)
	other.close()
	p.Patience = time.Minute
	got, err = p.Provide(t.Context(), request)
	require.NoError(t, err)
	assert.Equal(t, "dockit_1", got.Password)
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	token := pod("team-a", "app", "app-0", nil)
	for name, tc := range map[string]struct {
		change func(d *dockit, p *Provider, r *Request)
		says   []string
	}{
		"no token": {func(_ *dockit, _ *Provider, r *Request) { r.Token = "" }, []string{"serviceAccountTokenAudience", "requireServiceAccount"}},
		"no JWT":   {func(_ *dockit, _ *Provider, r *Request) { r.Token = "secret" }, []string{"no token of a service account"}},
		"robot":    {func(_ *dockit, _ *Provider, r *Request) { r.Annotations[RobotAnnotation] = "Not A Name" }, []string{"annotation dockit.dev/robot", "write the name of a robot"}},
		"binding": {
			func(d *dockit, _ *Provider, _ *Request) {
				d.refuse = status(400, "invalid_request", "the token is right, but no token stands for any robot here")
			},
			[]string{"service account team-a:app", "issuer https://kubernetes.default.svc", "audience https://registry.example.com", "the token is right"},
		},
		"service": {func(d *dockit, _ *Provider, _ *Request) {
			d.refuse = status(400, "invalid_target", `unknown service "x"`)
		}, []string{"unknown service", "give --service the name"}},
		"no Dockit": {func(d *dockit, _ *Provider, _ *Request) {
			d.refuse = func(w http.ResponseWriter) { http.NotFound(w, nil) }
		}, []string{"is that the token endpoint of a Dockit", "--server says"}},
		"no registry": {func(d *dockit, _ *Provider, _ *Request) { d.service = "" }, []string{"names no service", "--service"}},
		"the answer of all": {func(d *dockit, _ *Provider, _ *Request) {
			d.refuse = func(w http.ResponseWriter) { fmt.Fprint(w, "<html>") }
		}, []string{"nothing there exchanges tokens"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDockit(t)
			p, r := d.provider(t), Request{Host: d.host(), Token: token, Annotations: map[string]string{}}
			tc.change(d, &p, &r)
			_, err := p.Provide(t.Context(), r)
			for _, text := range tc.says {
				require.ErrorContains(t, err, text)
			}
			assert.NotContains(t, err.Error(), token)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

// TestCertificateIsVerified guards that nobody on the way gets the token, not even by
// way of echo.
func TestCertificateIsVerified(t *testing.T) {
	d := newDockit(t)
	secure := httptest.NewTLSServer(d)
	defer secure.Close()
	p := d.provider(t)
	p.Server, _ = url.Parse(secure.URL)
	_, err := p.Provide(t.Context(), Request{Host: d.host(), Token: pod("team-a", "app", "app-0", nil)})
	require.ErrorContains(t, err, "give --ca-file the authority")
	p.HTTP = secure.Client()
	_, err = p.Provide(t.Context(), Request{Host: d.host(), Token: pod("team-a", "app", "app-0", nil)})
	require.NoError(t, err)
}

func TestEcho(t *testing.T) {
	p := Provider{Registries: []string{"registry.example.com"}, Mode: Echo}
	now := time.Now().Truncate(time.Second)
	p.Now = func() time.Time { return now }
	token := pod("team-a", "app", "app-0", map[string]any{"exp": now.Add(1000 * time.Second).Unix()})
	got, err := p.Provide(context.Background(), Request{Host: "registry.example.com", Token: token})
	require.NoError(t, err)
	assert.Equal(t, Response{Host: "registry.example.com", Username: "_", Password: token, CacheDuration: "13m20s"}, got)
	for name, exp := range map[string]any{"over": now.Add(-time.Hour).Unix(), "none": nil, "nonsense": 1e300} {
		got, err := p.Provide(context.Background(), Request{
			Host: "registry.example.com", Token: pod("team-a", "app", "app-0", map[string]any{"exp": exp}), Annotations: map[string]string{RobotAnnotation: "ci"},
		})
		require.NoError(t, err, name)
		assert.Equal(t, []string{"ci", "0s"}, []string{got.Username, got.CacheDuration}, name)
	}
}
