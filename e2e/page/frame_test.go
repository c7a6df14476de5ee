package page

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// TestNoFrameShowsThePage guards that no other site can put the page under what it shows itself, for people to click on unseen: the
// browser shows none of it in a frame, though it shows another page there.
func TestNoFrameShowsThePage(t *testing.T) {
	t.Parallel()
	s := newSite(t, dockit.Config{})
	s.url = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	b := newBrowser(t, s, true)
	b.signIn("alice")
	var framed string
	attacker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/plain" {
			_, _ = io.WriteString(w, "<h1>Anything</h1>")
			return
		}
		_, _ = fmt.Fprintf(w, `<h1>A prize</h1><iframe src="%s" onload="document.title = 'loaded'"></iframe>`, html.EscapeString(framed))
	}))
	t.Cleanup(attacker.Close)
	open := func(address string) {
		framed = address
		b.run(chromedp.Navigate(attacker.URL))
		b.sees("A prize")
		require.Eventually(t, func() bool { return evaluate[string](b, "document.title") == "loaded" }, patience, 10*time.Millisecond, address)
	}
	open(attacker.URL + "/plain")
	assert.False(t, b.complained(), "a page that allows it is shown")
	for _, path := range []string{"", "credentials"} {
		open(s.url + "/dockit/" + path)
		require.Eventually(t, b.refusedFrame, patience, 10*time.Millisecond, "%q is not shown", path)
		b.complained()
	}
}

// refusedFrame reports whether the browser did not show a page in a frame because of the policy of that page.
func (b *browser) refusedFrame() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.complaints, func(complaint string) bool {
		return strings.Contains(complaint, "frame-ancestors 'none'") && strings.Contains(complaint, "blocked")
	})
}
