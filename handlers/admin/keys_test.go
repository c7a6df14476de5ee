package admin

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/pki"
)

func (f *fixture) keys() []adminapi.Key {
	f.t.Helper()
	var all []adminapi.Key
	for cursor := ""; ; {
		var page adminapi.List[adminapi.Key]
		f.do("GET", "/pki/keys?limit=2&cursor="+cursor, "").decode(f.t, &page)
		all = append(all, page.Items...)
		if cursor = page.NextCursor; cursor == "" {
			return all
		}
	}
}

func (f *fixture) key(purpose, state string) adminapi.Key {
	f.t.Helper()
	for _, key := range f.keys() {
		if key.Purpose == purpose && key.State == state {
			return key
		}
	}
	f.t.Fatalf("no key that is %s and %s", purpose, state)
	return adminapi.Key{}
}

func (f *fixture) rotate(path, body string) adminapi.Rotation {
	f.t.Helper()
	got := f.do("POST", path, body)
	require.Equal(f.t, http.StatusOK, got.StatusCode, "body: %s", got.body)
	var rotation adminapi.Rotation
	got.decode(f.t, &rotation)
	return rotation
}

func TestShowPKI(t *testing.T) {
	f := newFixture(t)
	var shown adminapi.PKI
	f.do("GET", "/pki", "").decode(t, &shown)
	assert.Equal(t, "dockit", shown.Issuer)
	assert.WithinDuration(t, time.Now(), shown.Time, time.Minute)
	require.Len(t, shown.Services, 2)
	assert.Equal(t, "x5c", shown.Services[0].Profile)
	assert.Equal(t, 300, shown.Services[0].TokenTTL)
	assert.Equal(t, []string{f.key("authority", "active").Fingerprint, f.key("authority", "waiting").Fingerprint}, shown.Services[0].Bundle)
	assert.Equal(t, []string{f.key("own", "active").Fingerprint}, shown.Services[1].Bundle)
}

func TestListKeys(t *testing.T) {
	f := newFixture(t)
	keys := f.keys()
	require.Len(t, keys, 4)
	seen := map[string]bool{}
	for _, key := range keys {
		assert.False(t, seen[key.ID], "twice in the pages")
		seen[key.ID] = true
		assert.Len(t, key.Fingerprint, 64)
		assert.Equal(t, "ES256", key.Algorithm)
	}
	assert.Equal(t, f.key("authority", "active").ID, f.key("shared", "active").Issuer)
	for _, key := range keys {
		assert.False(t, key.External, "Dockit made it")
	}
	got := f.do("GET", "/pki/keys", "")
	assert.NotContains(t, string(got.body), "0001-01-01", "a time that is open is left out")
	assert.NotContains(t, string(got.body), "rivate")
}

// TestExternalKeysHaveBothNames guards clients of either side of the renaming.
func TestExternalKeysHaveBothNames(t *testing.T) {
	for external, want := range map[bool]string{true: `"external":true,"brought":true`, false: `"state":"active","subject"`} {
		body, err := json.Marshal(keyOf(pki.KeyInfo{State: pki.Active, External: external}))
		require.NoError(t, err)
		assert.Contains(t, string(body), want)
	}
	for body, want := range map[string]bool{`{}`: false, `{"brought":true}`: true, `{"external":true}`: true, `{"external":true,"brought":true}`: true} {
		var key adminapi.Key
		require.NoError(t, json.Unmarshal([]byte(body), &key))
		assert.Equal(t, want, key.External, body)
		again, err := json.Marshal(key)
		require.NoError(t, err)
		assert.Equal(t, want, strings.Contains(string(again), `"external":true,"brought":true`), body)
	}
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Deprecated bool }
			}
		}
	}
	newFixture(t).do("GET", "/openapi.json", "").decode(t, &document)
	properties := document.Components.Schemas["Key"].Properties
	require.Contains(t, properties, "external")
	assert.False(t, properties["external"].Deprecated)
	assert.True(t, properties["brought"].Deprecated)
}

func TestRotateKeys(t *testing.T) {
	f := newFixture(t)
	before := f.key("shared", "active")
	rotation := f.rotate("/pki/rotate", "")
	require.Len(t, rotation.Keys, 1)
	assert.NotEqual(t, before.ID, rotation.Keys[0].ID)
	assert.Empty(t, rotation.Reload)
	assert.Equal(t, rotation.Keys[0].ID, f.key("shared", "active").ID)
	assert.Equal(t, before.ID, f.key("shared", "retired").ID)

	rotation = f.rotate("/pki/rotate", `{"service":"zot"}`)
	assert.Equal(t, []string{"zot"}, rotation.Reload)
	assert.True(t, rotation.ReloadNow)
	assert.Equal(t, "zot", rotation.Keys[0].Service)

	got := f.do("POST", "/pki/rotate", `{"service":"other"}`)
	assert.Equal(t, http.StatusNotFound, got.StatusCode)
	assert.Equal(t, adminapi.CodeNotFound, got.problem(t).Code)
}

func TestRotateAuthority(t *testing.T) {
	f := newFixture(t)
	next := f.key("authority", "waiting")
	rotation := f.rotate("/pki/rotate-ca", "")
	assert.Equal(t, []string{"registry"}, rotation.Reload)
	assert.False(t, rotation.ReloadNow)
	assert.Equal(t, next.ID, f.key("authority", "active").ID)
	assert.Equal(t, next.ID, f.key("shared", "active").Issuer)

	got := f.do("POST", "/pki/rotate-ca", "")
	assert.Equal(t, http.StatusConflict, got.StatusCode)
	problem := got.problem(t)
	assert.Equal(t, adminapi.CodeTooEarly, problem.Code)
	assert.Contains(t, problem.Detail, "then force it")
	f.rotate("/pki/rotate-ca", `{"force":true}`)
}

func TestRevokeKey(t *testing.T) {
	f := newFixture(t)
	leaf := f.key("shared", "active")
	rotation := f.rotate("/pki/keys/"+leaf.ID+"/revoke", "")
	assert.Equal(t, leaf.NotAfter, rotation.AcceptedUntil)
	assert.Equal(t, leaf.ID, f.key("shared", "revoked").ID)
	assert.Equal(t, rotation.Keys[0].ID, f.key("shared", "active").ID)

	authority := f.key("authority", "active")
	rotation = f.rotate("/pki/keys/"+authority.ID+"/revoke", "")
	assert.Equal(t, []string{"registry"}, rotation.Reload)
	assert.True(t, rotation.AcceptedUntil.IsZero())

	got := f.do("POST", "/pki/keys/unknown/revoke", "")
	assert.Equal(t, http.StatusNotFound, got.StatusCode)
	assert.Contains(t, got.problem(t).Detail, "no such key")
}
