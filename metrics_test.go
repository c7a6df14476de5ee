package dockit

import (
	"regexp"
	"strconv"
	"testing"

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
	if err != nil {
		t.Fatal(err)
	}
	return value, true
}

// TestKeyMetrics checks that the metrics of keys are those of the running
// configuration, and that their counters go on over reloads.
func TestKeyMetrics(t *testing.T) {
	s := newSite(t)
	s.handlers = "dockit\nmetrics /metrics"
	mustLoad(t, s.String())
	if _, there := scrape(t, s.url("/metrics"), "dockit_pki_signing_key_expiry_timestamp_seconds"); !there {
		t.Error("no expiry of the signing key")
	}
	if _, there := scrape(t, s.url("/metrics"), "dockit_pki_authority_expiry_timestamp_seconds"); !there {
		t.Error("no expiry of the authority")
	}
	if up, _ := scrape(t, s.url("/metrics"), "dockit_database_up"); up != 1 {
		t.Errorf("dockit_database_up is %v", up)
	}
	before, _ := scrape(t, s.url("/metrics"), "dockit_pki_rotations_total")
	app, err := caddy.ActiveContext().App("dockit")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := app.(*App).ring.Rotate(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if after, _ := scrape(t, s.url("/metrics"), "dockit_pki_rotations_total"); after != before+1 {
			t.Errorf("%v rotations after %v and one", after, before)
		}
		mustLoad(t, s.String())
	}

	key, certificate := newPair(t, false)
	s.dsn += "2"
	s.dockit = "pki file " + key + " " + certificate
	mustLoad(t, s.String())
	if _, there := scrape(t, s.url("/metrics"), "dockit_pki_authority_expiry_timestamp_seconds"); there {
		t.Error("an expiry of an authority that is not there")
	}
	if broken, there := scrape(t, s.url("/metrics"), "dockit_pki_file_broken"); !there || broken != 0 {
		t.Errorf("file broken: %v", broken)
	}
}
