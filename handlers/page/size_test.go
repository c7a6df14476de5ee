package page

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/handlers/page/frame"
)

// How many bytes a page and all that it needs may have: as api-server sends them, with packed assets and the page as it is, and
// where a server in front packs the page, too.
const (
	maxSent   = 60_000
	maxPacked = 10_000
)

// TestPagesAreSmall guards how long a page takes on a slow line, with as many rows in its lists as they show. Its log says what each has.
func TestPagesAreSmall(t *testing.T) {
	f, registry := withRegistry(t)
	for i := range 60 {
		name := fmt.Sprintf("deploy-robot-of-a-team-with-a-long-name-%02d", i)
		f.make("robot:" + name)
		f.token("robot:"+name, "deploy", "docker/29.0 go/1.26 kernel/6.1 os/linux arch/amd64")
		repository := fmt.Sprintf("team/application-with-a-long-name-%02d", i)
		f.grantTo("robot:"+name, "repository:"+repository+":push")
		f.grant("root", "repository:"+repository+":pull,delete")
		registry.Image(repository, "1.0.0", "2026-01-01T00:00:00Z")
		registry.Image("team/app", fmt.Sprintf("1.0.%d", i), "2026-01-01T00:00:00Z")
	}
	f.grant("root", "repository:team/app:pull,delete")
	f.make("group:dev")
	b := f.signedIn("root")
	b.get("repositories") // the walk of the catalog begins
	assets := packedAssets(t, b)
	robot := "robots/deploy-robot-of-a-team-with-a-long-name-00"
	for _, path := range []string{
		"", "repositories", "repositories/tags?name=team/app", "repositories/image?name=team/app&tag=1.0.1", "repositories/access?name=team/app",
		"repositories/delete?name=team/app&tag=1.0.1", "credentials", "sessions", "password", "users", "robots", "groups", robot, robot + "/permissions",
		robot + "/credentials", "tokens", "state", "issuers", "new-issuer/kubernetes", "try-token", "bindings", "keys", "audit", "audit/1", "audit/verify", "lockouts",
	} {
		answer := b.get(path)
		require.Equal(t, http.StatusOK, answer.Code, path)
		plain := answer.Body.Len()
		packed := packedSize(t, answer)
		t.Logf("%-62s %5d bytes, with assets %5d, all packed %4d", path, plain, plain+assets, packed+assets)
		assert.LessOrEqual(t, plain+assets, maxSent, path)
		assert.LessOrEqual(t, packed+assets, maxPacked, path)
	}
}

// packedAssets is how many bytes the assets of a page have as they are sent.
func packedAssets(t *testing.T, b *browser) int {
	t.Helper()
	found := regexp.MustCompile(`/dockit/assets/[\w.]+`).FindAllString(b.get("").Body.String(), -1)
	require.Len(t, found, 3, "style, script and icon")
	b.change = func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") }
	defer func() { b.change = nil }()
	total := 0
	for _, asset := range found {
		answer := b.get(strings.TrimPrefix(asset, frame.Root))
		require.Equal(t, "gzip", answer.Header().Get("Content-Encoding"), asset)
		total += answer.Body.Len()
	}
	return total
}

// packedSize is how many bytes an answer has when a server in front packs it.
func packedSize(t *testing.T, answer *httptest.ResponseRecorder) int {
	t.Helper()
	var packed bytes.Buffer
	packer := gzip.NewWriter(&packed)
	_, err := packer.Write(answer.Body.Bytes())
	require.NoError(t, err)
	require.NoError(t, packer.Close())
	return packed.Len()
}
