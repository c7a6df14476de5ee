package registryview

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/accesstest"
	"github.com/dockit-registry/dockit/internal/registryclient"
)

// TestOnlyWhatMayBePulled guards that a viewer sees the names of what it may pull,
// and that they were read with a token that opens the catalog alone.
func TestOnlyWhatMayBePulled(t *testing.T) {
	registry, r := shown(t)
	registry.PageSize = 2
	for _, name := range []string{"team/app", "team/web", "other/app", "public/tool", "secret"} {
		registry.Image(name, "latest", "2026-01-01T00:00:00Z")
	}
	for name, c := range map[string]struct {
		viewer Viewer
		query  Query
		want   []string
		total  int
		next   string
	}{
		"everything":           {viewer(t, "admin", "repository:**:*"), Query{}, []string{"other/app", "public/tool", "secret", "team/app", "team/web"}, 5, ""},
		"a namespace":          {viewer(t, "alice", "namespace:team:push"), Query{}, []string{"team/app", "team/web"}, 2, ""},
		"delete alone":         {viewer(t, "bob", "repository:team/app:delete"), Query{}, nil, 0, ""},
		"the catalog alone":    {viewer(t, "bob", "registry:catalog:*"), Query{}, nil, 0, ""},
		"nothing":              {viewer(t, "bob"), Query{}, nil, 0, ""},
		"first page":           {viewer(t, "admin", "repository:**:*"), Query{Limit: 2}, []string{"other/app", "public/tool"}, 5, "public/tool"},
		"second page":          {viewer(t, "admin", "repository:**:*"), Query{Limit: 2, After: "public/tool"}, []string{"secret", "team/app"}, 5, "team/app"},
		"last page":            {viewer(t, "admin", "repository:**:*"), Query{Limit: 2, After: "team/app"}, []string{"team/web"}, 5, ""},
		"search":               {viewer(t, "admin", "repository:**:*"), Query{Search: " APP  te "}, []string{"team/app"}, 1, ""},
		"search for a secret":  {viewer(t, "alice", "namespace:team:push"), Query{Search: "secret"}, nil, 0, ""},
		"within a credential":  {Viewer{Name: "a", Rights: access.NewRights("a", parsed(t, "repository:**:*")), Within: []*access.Rights{access.NewRights("a", parsed(t, "repository:secret:push"))}}, Query{}, []string{"secret"}, 1, ""},
		"after a name not had": {viewer(t, "alice", "namespace:team:pull"), Query{After: "team/b"}, []string{"team/web"}, 2, ""},
	} {
		found := r.Repositories(t.Context(), c.viewer, c.query)
		require.NoError(t, found.Err, name)
		assert.Equal(t, c.want, found.Names, name)
		assert.Equal(t, c.total, found.Total, name)
		assert.Equal(t, c.next, found.Next, name)
		assert.False(t, found.ReadAt.IsZero(), name)
	}
	requests := registry.Requests()
	assert.Len(t, requests, 3, "one walk for all viewers, and no manifest")
	for _, made := range requests {
		assert.Equal(t, "/v2/_catalog", made.Path)
		require.Len(t, made.Access, 1)
		assert.Equal(t, "registry", made.Access[0].Type)
		assert.Empty(t, made.Subject)
	}
}

// TestNobodyLooksNothingIsAsked guards that a registry is walked for viewers only, and
// not for each of them.
func TestNobodyLooksNothingIsAsked(t *testing.T) {
	registry, r := shown(t)
	registry.Image("a", "latest", "2026-01-01T00:00:00Z")
	assert.Empty(t, registry.Requests())
	admin := viewer(t, "admin", "repository:**:*")
	for range 10 {
		r.Repositories(t.Context(), admin, Query{})
	}
	assert.Len(t, registry.Requests(), 1)

	now := time.Now()
	old := &catalog{current: &names{read: now.Add(-freshFor), took: time.Second}}
	assert.True(t, old.due(now))
	assert.False(t, (&catalog{current: &names{read: now.Add(-freshFor + 1)}}).due(now), "fresh")
	assert.False(t, (&catalog{current: &names{read: now.Add(-time.Minute), took: time.Minute}}).due(now), "a slow registry is walked seldom")
	assert.False(t, (&catalog{walked: make(chan struct{})}).due(now), "one walk at a time")
	assert.False(t, (&catalog{err: registryclient.ErrAway, failed: now.Add(-retryAfter + 1)}).due(now), "it failed a moment ago")
	assert.True(t, (&catalog{err: registryclient.ErrAway, failed: now.Add(-retryAfter)}).due(now))
}

// TestCatalogsThatAreWrong guards walks of registries that go in circles, list what
// is no repository, or more than fits.
func TestCatalogsThatAreWrong(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, page int64)
		want   []string
		err    error
		says   string
	}{
		"circle": {func(w http.ResponseWriter, _ int64) {
			w.Header().Set("Link", `</v2/_catalog?last=a&n=1>; rel="next"`)
			_, _ = io.WriteString(w, `{"repositories":["a"]}`)
		}, []string{"a"}, registryclient.ErrAnswer, "on and on"},
		"names that no registry takes": {func(w http.ResponseWriter, _ int64) {
			_, _ = io.WriteString(w, `{"repositories":["<script>alert(1)</script>","../../etc","A","a\u202eb","","a","a","b//c","**","{username}","`+strings.Repeat("a", 300)+`"]}`)
		}, []string{"a"}, nil, ""},
		"wrong on its second page": {func(w http.ResponseWriter, page int64) {
			if page > 1 {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			w.Header().Set("Link", `</v2/_catalog?last=a&n=1>; rel="next"`)
			_, _ = io.WriteString(w, `{"repositories":["a"]}`)
		}, []string{"a"}, registryclient.ErrAnswer, "status 500"},
		"token not taken": {func(w http.ResponseWriter, _ int64) { w.WriteHeader(http.StatusUnauthorized) }, nil, registryclient.ErrDenied, "must trust"},
		"no catalog":      {func(w http.ResponseWriter, _ int64) { w.WriteHeader(http.StatusNotFound) }, nil, registryclient.ErrNotFound, "by name only"},
	} {
		t.Run(name, func(t *testing.T) {
			var pages atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.answer(w, pages.Add(1)) }))
			t.Cleanup(server.Close)
			found := look(t, server.URL).Repositories(t.Context(), viewer(t, "admin", "repository:**:*"), Query{})
			assert.Equal(t, c.want, found.Names)
			require.ErrorIs(t, found.Err, c.err)
			if c.err != nil {
				require.ErrorContains(t, found.Err, c.says)
			}
			assert.LessOrEqual(t, pages.Load(), int64(2), "pages")
		})
	}
}

// TestWhatViewersSeeIsKeptWhileNothingChanges guards that a walk without news costs
// no viewer anything, and that one with news, and other rights, count.
func TestWhatViewersSeeIsKeptWhileNothingChanges(t *testing.T) {
	registry, r := shown(t)
	registry.Image("team/app", "latest", "2026-01-01T00:00:00Z")
	alice := viewer(t, "alice", "namespace:team:pull")
	look := func(v Viewer) []string {
		t.Helper()
		_, _, err := r.names(t.Context())
		require.NoError(t, err)
		return r.Repositories(t.Context(), v, Query{}).Names
	}
	walk := func() {
		r.catalog.walked = make(chan struct{})
		r.walk()
	}
	require.Equal(t, []string{"team/app"}, look(alice))
	before := r.catalog.current.all
	walk()
	assert.Same(t, before, r.catalog.current.all)
	seen := r.viewers.see(before, alice)
	assert.Same(t, seen, r.viewers.see(before, alice))
	registry.Image("team/web", "latest", "2026-01-01T00:00:00Z")
	walk()
	assert.Equal(t, []string{"team/app", "team/web"}, look(alice))
	assert.Equal(t, []string{"team/web"}, look(viewer(t, "alice", "repository:team/web:pull")), "her rights changed")
}

func TestNamesInMemoryAreBounded(t *testing.T) {
	var c collected
	page := make([]string, 1000)
	for i := 0; !c.cut; i++ {
		for j := range page {
			page[j] = fmt.Sprintf("r-%d-%d", i, j)
		}
		c.add(page)
		require.LessOrEqual(t, i, maxNames/1000)
	}
	found := c.names(time.Now())
	assert.Len(t, found.all.list, maxNames)
	assert.True(t, found.cut)
	assert.True(t, slices.IsSorted(found.all.list))
}

// TestRandomPoliciesListWhatTokensAllow compares the list of a viewer with what a
// second evaluator of policies, and the tokens of Dockit, would let it pull.
func TestRandomPoliciesListWhatTokensAllow(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var c collected
	for len(c.seen) < 150 {
		c.add([]string{accesstest.RandomName(random, 0)})
	}
	_, r := shown(t)
	r.catalog.current = c.names(time.Now().Add(time.Hour))
	r.catalog.current.read = time.Now().Add(time.Hour) // so that nothing is read
	all := r.catalog.current.all.list
	const few = 4 // names looked at for each policy: all of them over all policies
	listed := 0
	for range 100_000 {
		username := accesstest.RandomUser(random)
		var given []string
		var held []access.Permission
		for range random.IntN(8) {
			text := accesstest.RandomText(random, 0.4)
			given = append(given, text)
			if p, err := access.ParsePermission(text); err == nil {
				held = append(held, p)
			}
		}
		v := Viewer{Name: username, Rights: access.NewRights(username, held)}
		policy := accesstest.Policy(given)
		at := random.IntN(len(all) - few)
		after := ""
		if at > 0 {
			after = all[at-1]
		}
		want := []string{}
		for _, name := range all[at : at+few] {
			scopes, err := access.ParseScopes([]string{"repository:" + name + ":pull"})
			require.NoError(t, err)
			granted := len(v.Rights.Grant(scopes)) > 0
			require.Equal(t, accesstest.Allows(username, policy, name, "pull"), granted, "%q: %q on %s", username, given, name)
			if granted {
				want = append(want, name)
			}
		}
		found := r.Repositories(t.Context(), v, Query{After: after, Limit: maxPage})
		got := []string{}
		for _, name := range found.Names {
			if name <= all[at+few-1] {
				got = append(got, name)
			}
		}
		require.Equal(t, want, got, "%q: %q", username, given)
		listed += len(got)
	}
	assert.GreaterOrEqual(t, listed, 10_000, "the random policies list too little")
}

// BenchmarkRepositories lists a page of 100,000 repositories.
func BenchmarkRepositories(b *testing.B) {
	var c collected
	for i := range 100_000 {
		c.add([]string{fmt.Sprintf("team-%d/group-%d/app-%d", i/1000, i/100%10, i%100)})
	}
	r := look(b, "http://localhost:1")
	r.catalog.current = c.names(time.Now())
	r.catalog.current.read = time.Now().Add(time.Hour)
	var few []string
	for i := range 100 {
		few = append(few, fmt.Sprintf("repository:team-%d/group-1/app-%d:pull", i, i))
	}
	for name, v := range map[string]Viewer{
		"everything":       viewer(b, "admin", "repository:**:*"),
		"a namespace":      viewer(b, "alice", "namespace:team-50:pull"),
		"100 repositories": viewer(b, "alice", few...),
		"patterns":         viewer(b, "alice", "repository:team-*/**/app-1*:pull", "repository:**/app-7:pull", "repository:team-5*/*/app-*:push"),
	} {
		b.Run(name+" first look", func(b *testing.B) {
			for b.Loop() {
				newVisible(r.catalog.current.all, v)
			}
		})
		for search, q := range map[string]Query{"": {}, " search": {Search: "team-9 app-99"}, " last page": {After: "team-98"}} {
			b.Run(name+search, func(b *testing.B) {
				took := make([]time.Duration, 0, b.N)
				for b.Loop() {
					began := time.Now()
					r.Repositories(b.Context(), v, q)
					took = append(took, time.Since(began))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			})
		}
	}
}
