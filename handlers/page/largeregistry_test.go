package page

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/registrytest"
)

// largeRegistry has 100,000 repositories with ten tags each.
func largeRegistry() http.HandlerFunc {
	const repositories, page = 100_000, 1000
	name := func(i int) string { return fmt.Sprintf("team-%03d/app-%03d", i/1000, i%1000) }
	config := `{"created":"2026-01-01T00:00:00Z","os":"linux","architecture":"amd64"}`
	manifest := fmt.Sprintf(`{"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"digest":%q,"size":1000}]}`,
		registrytest.ManifestType, registrytest.ConfigType, registrytest.Digest([]byte(config)), len(config), registrytest.Digest(nil))
	return func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/v2/_catalog":
			first := 0
			if last := r.URL.Query().Get("last"); last != "" {
				_, _ = fmt.Sscanf(last, "team-%d", &first)
				first = (first + 1) * page
			}
			names := make([]string, page)
			for i := range names {
				names[i] = strconv.Quote(name(first + i))
			}
			if first+page < repositories {
				w.Header().Set("Link", fmt.Sprintf(`</v2/_catalog?last=%s&n=1000>; rel="next"`, url.QueryEscape(name(first+page-1))))
			}
			_, _ = io.WriteString(w, `{"repositories":[`+strings.Join(names, ",")+`]}`)
		case strings.HasSuffix(path, "/tags/list"):
			_, _ = io.WriteString(w, `{"tags":["latest","1.0","1.1","1.2","1.3","1.4","1.5","1.6","1.7","1.8"]}`)
		case strings.Contains(path, "/blobs/"):
			_, _ = io.WriteString(w, config)
		case strings.Contains(path, "/manifests/sha256-"), strings.Contains(path, "/referrers/"):
			http.NotFound(w, r)
		default:
			w.Header().Set("Docker-Content-Digest", registrytest.Digest([]byte(manifest)))
			_, _ = io.WriteString(w, manifest)
		}
	}
}

// BenchmarkPagesOfALargeRegistry is whole pages, for who may pull everything and for
// who may pull little of 100,000 repositories with 1,000,000 tags. Each page of a
// repository is that of another one.
func BenchmarkPagesOfALargeRegistry(b *testing.B) {
	f := newFixture(b)
	server := httptest.NewServer(largeRegistry())
	b.Cleanup(server.Close)
	f.registryAt(server.URL)
	f.grant("root", "repository:**:pull")
	f.grant("alice", "namespace:team-042:pull")
	f.grant("alice", "repository:team-*/app-007:pull")
	for _, name := range []string{"root", "alice"} {
		browser := f.signedIn(name)
		require.Eventually(b, func() bool { return strings.Contains(browser.get("repositories").Body.String(), "that you may pull") }, 2*time.Minute, 100*time.Millisecond)
		for _, page := range []struct{ name, path string }{
			{"first", "repositories"},
			{"last", "repositories?after=team-099/app-900"},
			{"search", "repositories?q=42/app-00"},
			{"tags", "repositories/tags?name=team-042/app-%03d"},
			{"image", "repositories/image?tag=1.5&name=team-042/app-%03d"},
		} {
			b.Run(name+"/"+page.name, func(b *testing.B) {
				var took []time.Duration
				for i := 0; b.Loop(); i++ {
					path := page.path
					if strings.Contains(path, "%") {
						path = fmt.Sprintf(path, i%1000)
					}
					began := time.Now()
					answer := browser.get(path)
					took = append(took, time.Since(began))
					require.Equal(b, http.StatusOK, answer.Code)
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			})
		}
	}
}
