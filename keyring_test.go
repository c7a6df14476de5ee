package dockit

import (
	"database/sql"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/pki"
)

// pooledRings are the rings that configurations use.
func pooledRings() []*keyRing {
	var all []*keyRing
	rings.Range(func(_, ring any) bool {
		all = append(all, ring.(*keyRing))
		return true
	})
	return all
}

// renameKeys hides the keys of a database from who reads them, or gives them
// back.
func renameKeys(t *testing.T, dsn, from, to string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to)
	require.NoError(t, err)
}

// TestRingOutlivesReloads guards that reloads with equal settings read no keys,
// that another setting makes another ring, and that the last one which uses a
// ring closes it.
func TestRingOutlivesReloads(t *testing.T) {
	s := newSite(t)
	mustLoad(t, s.String())
	first := runningApp().ring
	made := map[*keyRing]bool{first: true}
	renameKeys(t, s.dsn, "signing_keys", "hidden_keys")
	for range 20 {
		mustLoad(t, s.String())
		made[runningApp().ring] = true
	}
	assert.Len(t, made, 1, "rings in 20 reloads")
	assert.Equal(t, 1, maintaining())
	assert.Len(t, first.users, 1)

	other := s
	other.dockit = "pki generate {\n leaf_life 10d\n}"
	require.Error(t, load(t, other.String()), "a ring was made without reading keys")
	assert.Same(t, first, runningApp().ring)
	require.NoError(t, ask(newClient(t), s.url(tokenPath)))
	renameKeys(t, s.dsn, "hidden_keys", "signing_keys")

	mustLoad(t, other.String())
	second := runningApp().ring
	assert.NotSame(t, first, second)
	assert.Equal(t, []*keyRing{second}, pooledRings())
	assert.Equal(t, 1, maintaining())
	mustLoad(t, other.String())
	assert.Same(t, second, runningApp().ring)

	require.NoError(t, caddy.Stop())
	assert.Empty(t, pooledRings())
	assert.Zero(t, maintaining())
}

// TestEveryOptionMakesAnotherRing guards that no option of a ring is forgotten
// when two configurations are compared.
func TestEveryOptionMakesAnotherRing(t *testing.T) {
	secret := strings.Repeat("secret", 8)
	keys, err := pki.ParseEncryptionKeys(secret)
	require.NoError(t, err)
	app := new(App)
	same := app.ringKey(pki.Options{})
	assert.Equal(t, same, new(App).ringKey(pki.Options{}))
	for field := range reflect.TypeFor[pki.Options]().Fields() {
		if field.Type.Kind() == reflect.Func {
			continue // of the database, for all
		}
		var options pki.Options
		switch value := reflect.ValueOf(&options).Elem().FieldByIndex(field.Index); value.Interface().(type) {
		case pki.KeyType:
			value.SetString("x")
		case time.Duration:
			value.SetInt(1)
		case bool:
			value.SetBool(true)
		case []string:
			value.Set(reflect.ValueOf([]string{"x"}))
		case []pki.EncryptionKey:
			value.Set(reflect.ValueOf(keys))
		}
		assert.NotEqual(t, same, app.ringKey(options), field.Name)
	}
	assert.NotEqual(t, app.ringKey(pki.Options{Own: []string{"a b"}}), app.ringKey(pki.Options{Own: []string{"a", "b"}}))
	assert.NotContains(t, app.ringKey(pki.Options{EncryptionKeys: keys}).encryptionKeys, "secret")

	files := new(App)
	files.keys.files = &pki.Files{Key: "a"}
	assert.NotEqual(t, same, files.ringKey(pki.Options{}))
	elsewhere := &App{database: new(database)}
	assert.NotEqual(t, same, elsewhere.ringKey(pki.Options{}))
	// Keys in the clear are taken over once for each configuration that says so.
	sealing := pki.Options{SealExisting: true}
	once, again := app.ringKey(sealing), app.ringKey(sealing)
	assert.Equal(t, once, again)
	assert.NotEqual(t, app.ringKey(sealing), files.ringKey(sealing))
}

// TestReloadTakesAChangedKeyFile guards that a file which changed counts from the
// reload on, in the ring that there is, and that one which is damaged fails it.
func TestReloadTakesAChangedKeyFile(t *testing.T) {
	key, certificate := newPair(t, false)
	// Behind links, where the ring itself looks every few seconds only.
	links := t.TempDir()
	keyLink, certificateLink := filepath.Join(links, "key.pem"), filepath.Join(links, "certificate.pem")
	require.NoError(t, os.Symlink(key, keyLink))
	require.NoError(t, os.Symlink(certificate, certificateLink))
	s := newSite(t)
	s.handlers = "dockit\nmetrics /metrics"
	s.dockit = "pki file " + keyLink + " " + certificateLink
	mustLoad(t, s.String())
	ring := runningApp().ring
	former := active(ring.Keys(), pki.Shared)
	reloads, _ := scrape(t, s.url("/metrics"), "dockit_pki_file_reloads_total")

	rename := func(from, to string) {
		t.Helper()
		require.NoError(t, os.Rename(from, to))
	}
	nextKey, nextCertificate := newPair(t, false)
	rename(nextKey, key)
	rename(nextCertificate, certificate)
	mustLoad(t, s.String())
	assert.Same(t, ring, runningApp().ring)
	next := active(ring.Keys(), pki.Shared)
	assert.NotEqual(t, former.ID, next.ID, "the changed file is not in use")
	require.Len(t, ring.Keys(), 2)
	assert.Equal(t, pki.Retired, ring.Keys()[1].State, "the certificate before is not trusted any more")
	counted, _ := scrape(t, s.url("/metrics"), "dockit_pki_file_reloads_total")
	assert.InDelta(t, reloads+1, counted, 0, "reloads of the file")

	require.NoError(t, os.WriteFile(key+".next", []byte("damaged"), 0o600))
	rename(key+".next", key)
	require.ErrorContains(t, load(t, s.String()), keyLink)
	assert.Same(t, ring, runningApp().ring)
	assert.Len(t, ring.users, 1)
	assert.Equal(t, next.ID, active(ring.Keys(), pki.Shared).ID)
	require.NoError(t, ask(newClient(t), s.url(tokenPath)))
}

// TestRingSpeaksForTheRunningConfiguration guards where a ring announces and logs
// what it does: in the configuration that makes it, in the one after it, and in the
// one before where that fails.
func TestRingSpeaksForTheRunningConfiguration(t *testing.T) {
	dir := t.TempDir()
	s := newSite(t)
	configure := func(name, keyType string) (log string) {
		log = filepath.Join(dir, name+".log")
		s.global = "events {\n on dockit.key_rotated recorder\n}\nlog keys {\n include dockit.pki\n output file " + log + "\n level INFO\n}"
		s.dockit = "pki generate {\n key_type " + keyType + "\n}"
		return log
	}
	says := func(log string) string {
		content, err := os.ReadFile(log)
		require.NoError(t, err)
		return string(content)
	}
	rotate := func(keyType string) {
		t.Helper()
		before := active(runningApp().ring.Keys(), pki.Shared)
		_, err := runningApp().ring.Rotate(t.Context(), "")
		require.NoError(t, err)
		nextEvent(t, EventKeyRotated, map[string]any{"key_id": before.ID})
		assert.Equal(t, keyType, before.Algorithm)
	}

	configure("first", "ec256")
	mustLoad(t, s.String())
	former := active(runningApp().ring.Keys(), pki.Shared)
	require.NoError(t, caddy.Stop())
	noEvent(t)
	log := configure("changed", "ec384")
	mustLoad(t, s.String()) // its start replaces the key, before it is the one that runs
	nextEvent(t, EventKeyRotated, map[string]any{"key_id": former.ID})
	assert.Equal(t, 1, strings.Count(says(log), "replaced a key"))

	ring := runningApp().ring
	log = configure("next", "ec384")
	mustLoad(t, s.String())
	assert.Same(t, ring, runningApp().ring)
	rotate("ES384")
	assert.Equal(t, 1, strings.Count(says(log), "replaced a key"))

	configure("failing", "ec384")
	failing := strings.Replace(s.String(), "http://:", "http://203.0.113.1:1 {\n bind 203.0.113.1\n}\nhttp://:", 1)
	require.ErrorContains(t, load(t, failing), "203.0.113.1")
	assert.Same(t, ring, runningApp().ring)
	rotate("ES384")
	assert.Equal(t, 2, strings.Count(says(log), "replaced a key"))
	noEvent(t)
}
