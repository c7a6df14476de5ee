package dockit

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
)

// scrape returns the value of a metric as a site serves it.
func scrape(t *testing.T, url, name string) (float64, bool) {
	t.Helper()
	_, body := get(t, newClient(t), url)
	match := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(body)
	if match == nil {
		return 0, false
	}
	value, err := strconv.ParseFloat(match[1], 64)
	require.NoError(t, err)
	return value, true
}

// TestKeyMetrics checks that the metrics of keys are those of the running
// configuration, and that their counters go on over reloads.
func TestKeyMetrics(t *testing.T) {
	s := newSite(t)
	s.handlers = "dockit\nmetrics /metrics"
	mustLoad(t, s.String())
	_, there := scrape(t, s.url("/metrics"), "dockit_pki_signing_key_expiry_timestamp_seconds")
	assert.True(t, there, "no expiry of the signing key")
	_, there = scrape(t, s.url("/metrics"), "dockit_pki_authority_expiry_timestamp_seconds")
	assert.True(t, there, "no expiry of the authority")
	up, _ := scrape(t, s.url("/metrics"), "dockit_database_up")
	assert.InDelta(t, 1, up, 0, "dockit_database_up")
	before, _ := scrape(t, s.url("/metrics"), "dockit_pki_rotations_total")
	app, err := caddy.ActiveContext().App("dockit")
	require.NoError(t, err)
	_, err = app.(*App).ring.Rotate(t.Context(), "")
	require.NoError(t, err)
	for range 2 {
		after, _ := scrape(t, s.url("/metrics"), "dockit_pki_rotations_total")
		assert.InDelta(t, before+1, after, 0, "rotations")
		mustLoad(t, s.String())
	}

	key, certificate := newPair(t, false)
	s.dsn += "2"
	s.dockit = "pki file " + key + " " + certificate
	mustLoad(t, s.String())
	_, there = scrape(t, s.url("/metrics"), "dockit_pki_authority_expiry_timestamp_seconds")
	assert.False(t, there, "an expiry of an authority that is not there")
	broken, there := scrape(t, s.url("/metrics"), "dockit_pki_file_broken")
	assert.True(t, there, "no dockit_pki_file_broken")
	assert.InDelta(t, 0, broken, 0, "dockit_pki_file_broken")
}
