package page

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/accesstest"
	"github.com/dockit-registry/dockit/internal/registryclient"
	"github.com/dockit-registry/dockit/internal/registrytest"
	"github.com/dockit-registry/dockit/internal/registryview"
	"github.com/dockit-registry/dockit/internal/token"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/subject"
)

type oneKey struct{ key *pki.SigningKey }

func (k oneKey) SigningKey(string) (*pki.SigningKey, error) { return k.key, nil }

// registryAt has the page show what is in a registry.
func (f *fixture) registryAt(location string) {
	f.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(f, err)
	at, err := url.Parse(location)
	require.NoError(f, err)
	const service = "registry.example.com"
	view := registryview.New(registryview.Config{
		Service: service, Client: registryclient.New(registryclient.Config{URL: at}),
		Tokens: registryview.NewTokens(oneKey{&pki.SigningKey{ID: "key", Algorithm: "ES256", Signer: key}}, "dockit", service, token.ProfileJWKS, time.Now),
	})
	f.Cleanup(view.Close)
	f.page.Registries = map[string]Registry{service: {Registry: view, URL: at}}
}

func withRegistry(t testing.TB) (*fixture, *registrytest.Registry) {
	t.Helper()
	f, registry := newFixture(t), registrytest.New(t)
	f.registryAt(registry.Server.URL)
	return f, registry
}

// links are the texts of the links of a page to what is below the root, by their targets.
func links(t testing.TB, page []byte) map[string]string {
	t.Helper()
	document, err := html.Parse(bytes.NewReader(page))
	require.NoError(t, err)
	found := map[string]string{}
	for node := range document.Descendants() {
		if node.Type != html.ElementNode || node.Data != "a" || node.FirstChild == nil {
			continue
		}
		for _, attribute := range node.Attr {
			if attribute.Key == "href" {
				found[attribute.Val] = node.FirstChild.Data
			}
		}
	}
	return found
}

// listed are the repositories that a page lists.
func listed(t testing.TB, page []byte) []string {
	t.Helper()
	names := []string{}
	for target, text := range links(t, page) {
		if u, err := url.Parse(target); err == nil && strings.HasSuffix(u.Path, "/repositories/tags") {
			assert.Equal(t, u.Query().Get("name"), text)
			names = append(names, text)
		}
	}
	slices.Sort(names)
	return names
}

func TestRepositoriesThatMayBePulled(t *testing.T) {
	f, registry := withRegistry(t)
	for _, name := range []string{"team/app", "team/web", "secret/app"} {
		registry.Image(name, "latest", "2026-01-01T00:00:00Z")
	}
	alice := f.signedIn("alice")
	page := alice.get("repositories")
	assert.Equal(t, http.StatusOK, page.Code)
	assert.Contains(t, page.Body.String(), "nothing here that you may pull")
	assert.NotContains(t, page.Body.String(), "secret")
	f.grant("alice", "namespace:team:push")
	page = alice.get("repositories")
	assert.Equal(t, []string{"team/app", "team/web"}, listed(t, page.Body.Bytes()))
	assert.Contains(t, page.Body.String(), "2 repositories that you may pull")
	assert.Contains(t, page.Body.String(), "dockit rbac permissions user:alice")
	assert.Equal(t, []string{"team/web"}, listed(t, alice.get("repositories?q=WEB").Body.Bytes()))
	assert.Contains(t, alice.get("repositories?q=secret").Body.String(), "No repository that you may pull has")
	assert.Equal(t, http.StatusNotFound, alice.get("repositories?service=other").Code)
	for _, path := range []string{"repositories", "repositories/tags?name=team/app", "repositories/image?name=team/app&tag=latest", "repositories/access?name=team/app", "repositories/delete?name=team/app&tag=latest"} {
		assert.Equal(t, http.StatusSeeOther, f.browser().get(path).Code, "who is not signed in: %s", path)
	}
}

func TestManyRepositoriesArePaged(t *testing.T) {
	f, registry := withRegistry(t)
	for i := range 120 {
		registry.Image(fmt.Sprintf("team/app-%03d", i), "latest", "2026-01-01T00:00:00Z")
	}
	f.grant("alice", "namespace:team:pull")
	alice := f.signedIn("alice")
	var seen []string
	for next := "repositories"; next != ""; {
		page := alice.get(next).Body.Bytes()
		seen = append(seen, listed(t, page)...)
		next = ""
		for target, text := range links(t, page) {
			if text == "Next page" {
				next = "repositories" + target
			}
		}
	}
	assert.Len(t, seen, 120)
	assert.True(t, slices.IsSorted(seen))
}

func TestPagesOfARepository(t *testing.T) {
	f, registry := withRegistry(t)
	digest := registry.Image("team/app", "1.0", "2026-01-01T00:00:00Z")
	registry.Tag("team/app", "latest", digest)
	f.grant("alice", "repository:team/*:push")
	alice := f.signedIn("alice")
	page := alice.get("repositories/tags?name=team/app").Body.String()
	assert.Contains(t, page, "docker pull registry.example.com/team/app:latest")
	assert.Contains(t, page, "the newest first")
	assert.Contains(t, page, "2026-01-01 00:00 UTC")
	assert.Contains(t, page, "linux/amd64")
	assert.Contains(t, page, "repository:team/*:push")
	assert.Contains(t, page, "user:alice itself")
	assert.Contains(t, page, "Nothing allows <strong>delete</strong>")
	assert.NotContains(t, page, "Who else may use it", "that is for admins")

	page = alice.get("repositories/image?name=team/app&tag=1.0").Body.String()
	assert.Contains(t, page, "docker pull registry.example.com/team/app:1.0")
	assert.Contains(t, page, "docker pull registry.example.com/team/app@"+digest)
	assert.Contains(t, page, "Nothing: no signature, no SBOM, no attestation.")
	assert.NotContains(t, page, "Delete this image")
	page = alice.get("repositories/image?name=team/app&digest=" + digest).Body.String()
	assert.Contains(t, page, "docker pull registry.example.com/team/app@"+digest)

	assert.Equal(t, http.StatusNotFound, alice.get("repositories/image?name=team/app&tag=none").Code)
	assert.Equal(t, http.StatusUnprocessableEntity, alice.get("repositories/image?name=team/app&tag=../x").Code)
	assert.Equal(t, http.StatusNotFound, alice.get("repositories/tags?name=team/none").Code)
	assert.Equal(t, http.StatusUnprocessableEntity, alice.get("repositories/tags?name=").Code)
}

// TestWhyIMayNot guards that a repository that may not be pulled looks as one that is
// not there, and that the page says what would allow it.
func TestWhyIMayNot(t *testing.T) {
	f, registry := withRegistry(t)
	registry.Image("secret/app", "latest", "2026-01-01T00:00:00Z")
	f.grant("alice", "repository:secret/ap:pull")
	alice := f.signedIn("alice")
	var pages []string
	for _, name := range []string{"secret/app", "secret/apx"} {
		answer := alice.get("repositories/tags?name=" + name)
		assert.Equal(t, http.StatusForbidden, answer.Code)
		assert.Contains(t, answer.Body.String(), "dockit rbac grant user:alice &#39;repository:"+name+":*&#39;")
		assert.Contains(t, answer.Body.String(), "repository:secret/ap:pull")
		pages = append(pages, strings.ReplaceAll(answer.Body.String(), name, "NAME"))
		assert.Equal(t, http.StatusForbidden, alice.get("repositories/image?tag=latest&name="+name).Code)
		assert.Equal(t, http.StatusForbidden, alice.get("repositories/delete?tag=latest&name="+name).Code)
	}
	assert.Equal(t, pages[0], pages[1])
	assert.Empty(t, registry.Requests(), "the registry is not asked")
}

func TestWhoMayUseARepository(t *testing.T) {
	f, _ := withRegistry(t)
	f.grant("bob", "repository:team/*:pull")
	f.grant("alice", "repository:other:pull")
	root, alice := f.signedIn("root"), f.signedIn("alice")
	page := root.get("repositories/access?name=team/app").Body.String()
	assert.Contains(t, page, "user:bob")
	assert.Contains(t, page, "repository:team/*:pull")
	assert.Contains(t, page, "dockit rbac who-can pull team/app")
	page = root.get("repositories/access?name=team/app&subject=user:alice").Body.String()
	assert.Contains(t, page, "May do nothing with it.")
	assert.Contains(t, page, "dockit rbac can-i user:alice &#39;*&#39; team/app")
	assert.Equal(t, http.StatusNotFound, root.get("repositories/access?name=team/app&subject=user:nobody").Code)
	assert.Equal(t, http.StatusUnprocessableEntity, root.get("repositories/access?name=team/app&subject=<b>").Code)
	assert.Equal(t, http.StatusUnprocessableEntity, root.get("repositories/access?name=<b>").Code)

	page = alice.get("repositories/access?name=team/app").Body.String()
	assert.NotContains(t, page, "bob")
	assert.Contains(t, page, "Nothing: whether there is such a repository or not.")
	assert.Equal(t, http.StatusForbidden, alice.get("repositories/access?name=team/app&subject=user:bob").Code)
}

// TestARegistryOfWhichNothingIsKnown guards that the pages say how to tell where it is.
func TestARegistryOfWhichNothingIsKnown(t *testing.T) {
	f := newFixture(t)
	f.grant("alice", "namespace:team:pull")
	page := f.signedIn("root").get("repositories").Body.String()
	assert.Contains(t, page, "--registry registry.example.com=http://registry:5000")
	assert.Contains(t, page, "url http://registry:5000")
	alice := f.signedIn("alice")
	page = alice.get("repositories").Body.String()
	assert.Contains(t, page, "An admin can tell it")
	assert.Equal(t, http.StatusNotFound, alice.get("repositories/tags?name=team/app").Code)
	assert.Equal(t, http.StatusOK, alice.get("repositories/access?name=team/app").Code, "that needs no registry")
}

// TestTroubleWithTheRegistry guards that people learn what is wrong, and only admins
// where the registry is and what it says.
func TestTroubleWithTheRegistry(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		admin  string
	}{
		"tokens not taken": {http.StatusUnauthorized, "does not take the token"},
		"broken":           {http.StatusInternalServerError, "status 500"},
		"away":             {0, "registry does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) }))
			t.Cleanup(server.Close)
			f.registryAt(server.URL)
			if c.status == 0 {
				server.Close()
			}
			f.grant("alice", "namespace:team:pull")
			f.grant("root", "namespace:team:pull")
			alice, root := f.signedIn("alice"), f.signedIn("root")
			for _, path := range []string{"repositories", "repositories/tags?name=team/app", "repositories/image?name=team/app&tag=1"} {
				seen, told := alice.get(path), root.get(path)
				if path != "repositories" {
					assert.Equal(t, http.StatusBadGateway, seen.Code, path)
				}
				assert.NotContains(t, seen.Body.String(), "127.0.0.1", path)
				assert.Contains(t, seen.Body.String(), "registry does not", path)
				assert.Contains(t, told.Body.String(), c.admin, path)
				assert.Contains(t, told.Body.String(), "127.0.0.1", path)
			}
		})
	}
}

// TestNothingOfAnImageBecomesMarkup guards pages of what anybody may have pushed.
func TestNothingOfAnImageBecomesMarkup(t *testing.T) {
	f, registry := withRegistry(t)
	const hostile = `<script>alert(1)</script>\" onload=x <img src=x onerror=alert(2)>{{.}}javascript:alert(3)`
	config := registry.Blob("team/app", registrytest.ConfigType, `{"created":"2026-01-01T00:00:00Z","os":"`+hostile+`","architecture":"`+hostile+`","author":"`+hostile+`",
		"config":{"User":"`+hostile+`","Cmd":["`+hostile+`"],"Entrypoint":["`+hostile+`"],"WorkingDir":"`+hostile+`","Labels":{"`+hostile+`":"`+hostile+`"},"ExposedPorts":{"`+hostile+`":{}}}}`)
	one := registry.Manifest("team/app", "evil", registrytest.ManifestType, `{"mediaType":"`+hostile+`","artifactType":"`+hostile+`","config":`+config+`,
		"layers":[{"mediaType":"`+hostile+`","digest":"`+hostile+`","size":1}],"annotations":{"`+hostile+`":"`+hostile+`"}}`)
	registry.Manifest("team/app", "index", registrytest.IndexType, `{"mediaType":"`+registrytest.IndexType+`","manifests":[{"digest":"`+one+`","platform":{"os":"`+hostile+`","architecture":"x"}}]}`)
	registry.Manifest("team/app", registryclient.Digest(one).Tag(), registrytest.IndexType, `{"manifests":[{"digest":"`+one+`","artifactType":"`+hostile+`"}]}`)
	f.grant("alice", "namespace:team:*")
	alice := f.signedIn("alice")
	quoted := url.QueryEscape(strings.ReplaceAll(hostile, `\"`, `"`))
	for _, path := range []string{
		"repositories/tags?name=team/app", "repositories/image?name=team/app&tag=evil", "repositories/image?name=team/app&tag=index",
		"repositories/image?name=team/app&digest=" + one, "repositories/delete?name=team/app&tag=evil",
		"repositories?q=" + quoted, "repositories?service=" + quoted, "repositories?after=" + quoted, "repositories/tags?name=" + quoted,
		"repositories/tags?name=team/app&q=" + quoted, "repositories/image?name=team/app&tag=" + quoted, "repositories/access?name=" + quoted,
		"repositories/access?name=team/app&subject=" + quoted,
	} {
		body := alice.get(path).Body.Bytes()
		document, err := html.Parse(bytes.NewReader(body))
		require.NoError(t, err)
		for node := range document.Descendants() {
			assert.False(t, node.Type == html.ElementNode && (node.Data == "img" || node.Data == "script" && node.FirstChild != nil), "%s: %s", path, body)
			for _, attribute := range node.Attr {
				assert.False(t, strings.HasPrefix(attribute.Key, "on") || strings.HasPrefix(attribute.Val, "javascript:"), "%s: %s", path, attribute.Key)
			}
		}
	}
	assert.Contains(t, alice.get("repositories/image?name=team/app&tag=evil").Body.String(), "&lt;script&gt;alert(1)")
}

// TestRandomPoliciesShowWhatTokensAllow compares the page, as a browser reads it, with
// a second evaluator of policies. That of the list itself tries many more.
func TestRandomPoliciesShowWhatTokensAllow(t *testing.T) {
	f, registry := withRegistry(t)
	random := mathrand.New(mathrand.NewPCG(7, 8))
	var names []string
	for len(names) < 40 {
		if name := accesstest.RandomName(random, 0); access.ValidateRepository(name) == nil && !slices.Contains(names, name) && !strings.Contains(name, ":") {
			names = append(names, name)
			registry.Image(name, "latest", "2026-01-01T00:00:00Z")
		}
	}
	slices.Sort(names)
	alice := f.signedIn("alice")
	shown := 0
	for range 100 {
		var given []string
		for range random.IntN(5) {
			p, err := access.ParsePermission(accesstest.RandomText(random, 0.4))
			if err == nil {
				given = append(given, p.String())
				f.grant("alice", p.String())
			}
		}
		want, policy := []string{}, accesstest.Policy(given)
		for _, name := range names {
			if accesstest.Allows("alice", policy, name, "pull") {
				want = append(want, name)
			}
		}
		got := listed(t, alice.get("repositories").Body.Bytes())
		require.Equal(t, want, got, "%q", given)
		shown += len(got)
		for _, permission := range given {
			p, err := access.ParsePermission(permission)
			require.NoError(t, err)
			p.Actions = access.All
			_, _ = f.store.Revoke(t.Context(), subject.Ref{Kind: subject.User, Name: "alice"}, p) // perhaps it went with another
		}
	}
	assert.Greater(t, shown, 100)
}

func TestWhatClientsNameARegistryBy(t *testing.T) {
	at := &url.URL{Scheme: "http", Host: "registry:5000"}
	for _, c := range []struct {
		service string
		r       Registry
		want    string
	}{
		{"registry.example.com", Registry{URL: at}, "registry.example.com"},
		{"localhost:5000", Registry{URL: at}, "localhost:5000"},
		{"registry", Registry{URL: at}, "registry:5000"},
		{"registry.example.com", Registry{URL: at, Host: "localhost:5000", Proxied: true}, "localhost:5000"},
		{"registry", Registry{URL: at, Proxied: true}, "page.example.com"},
		{"registry", Registry{}, "page.example.com"},
		{"my registry.", Registry{URL: at}, "registry:5000"},
	} {
		assert.Equal(t, c.want, c.r.ClientHost(c.service, "page.example.com"), c.service)
	}
}
