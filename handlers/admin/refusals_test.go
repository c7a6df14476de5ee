package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
)

func TestRefusals(t *testing.T) {
	f := populated(t)
	before, err := f.store.Marks(t.Context())
	require.NoError(t, err)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		code               adminapi.Code
		says               string
	}{
		"unknown path":              {"GET", "/nothing", "", 404, adminapi.CodeNotFound, "openapi.json"},
		"documentation pages":       {"GET", "/docs", "", 404, adminapi.CodeNotFound, ""},
		"schemas":                   {"GET", "/schemas/Subject.json", "", 404, adminapi.CodeNotFound, ""},
		"YAML document":             {"GET", "/openapi.yaml", "", 404, adminapi.CodeNotFound, ""},
		"the prefix itself":         {"GET", "/", "", 404, adminapi.CodeNotFound, ""},
		"doubled slash":             {"GET", "//users", "", 404, adminapi.CodeNotFound, ""},
		"dots":                      {"GET", "/x/../users", "", 404, adminapi.CodeNotFound, ""},
		"wrong method":              {"PUT", "/users", "", 405, adminapi.CodeMethod, "GET, HEAD, POST"},
		"unknown user":              {"GET", "/users/nobody", "", 404, adminapi.CodeNotFound, "user:nobody"},
		"a robot among users":       {"GET", "/users/ci", "", 404, adminapi.CodeNotFound, ""},
		"name is taken by a robot":  {"POST", "/users", `{"name":"ci"}`, 409, adminapi.CodeExists, "share one name space"},
		"invalid name":              {"POST", "/users", `{"name":"Alice"}`, 422, adminapi.CodeInvalid, "lower-case"},
		"no name":                   {"POST", "/groups", `{}`, 422, adminapi.CodeInvalid, ""},
		"long name":                 {"POST", "/groups", `{"name":"` + strings.Repeat("a", 129) + `"}`, 422, adminapi.CodeInvalid, ""},
		"unknown field":             {"POST", "/groups", `{"name":"x","colour":"red"}`, 422, adminapi.CodeInvalid, ""},
		"short password":            {"POST", "/users", `{"name":"x","password":"short"}`, 422, adminapi.CodeInvalid, "at least 12 characters"},
		"password and hash":         {"POST", "/users", `{"name":"x","password":"long enough for that","password_hash":"$2y$05$x"}`, 422, adminapi.CodeInvalid, "exclude each other"},
		"hash of too much work":     {"POST", "/users", `{"name":"x","password_hash":"$2y$14$zv3ew7VvyUrXHYCOFGs39OEuF.7XWWj8pGMMwMTHYO6BJGzyzwgHq"}`, 422, adminapi.CodeInvalid, "give the user a new password instead"},
		"unusable hash":             {"POST", "/users", `{"name":"x","password_hash":"{SHA}abc"}`, 422, adminapi.CodeInvalid, "neither a whole bcrypt nor a whole argon2id"},
		"no JSON":                   {"POST", "/users", `name=x`, 400, adminapi.CodeInvalid, ""},
		"empty body":                {"PATCH", "/users/bob", ``, 400, adminapi.CodeInvalid, ""},
		"password of a robot":       {"PUT", "/robots/ci/password", `{"password":"long enough for that"}`, 404, adminapi.CodeNotFound, ""},
		"admin robot":               {"PATCH", "/robots/ci", `{"admin":true}`, 409, adminapi.CodeKind, "only users can be admins"},
		"group in a group":          {"PUT", "/groups/dev/members/group:dev", "", 409, adminapi.CodeKind, "no groups"},
		"member without a kind":     {"PUT", "/groups/dev/members/bob", "", 422, adminapi.CodeInvalid, ""},
		"unknown member":            {"PUT", "/groups/dev/members/user:nobody", "", 404, adminapi.CodeNotFound, "user:nobody"},
		"members of everyone":       {"PUT", "/groups/authenticated/members/user:bob", "", 409, adminapi.CodeBuiltIn, ""},
		"nobody as a member":        {"PUT", "/groups/dev/members/user:anonymous", "", 409, adminapi.CodeBuiltIn, ""},
		"remove a built-in":         {"DELETE", "/users/anonymous", "", 409, adminapi.CodeBuiltIn, "cannot be removed"},
		"disable a built-in":        {"PATCH", "/groups/authenticated", `{"disabled":true}`, 409, adminapi.CodeBuiltIn, "takes permissions only"},
		"built-in admin":            {"PATCH", "/users/anonymous", `{"admin":true}`, 409, adminapi.CodeBuiltIn, "takes permissions only"},
		"password of a built-in":    {"PUT", "/users/anonymous/password", `{"password":"long enough for that"}`, 409, adminapi.CodeBuiltIn, "takes permissions only"},
		"remove the last admin":     {"DELETE", "/users/root", "", 409, adminapi.CodeLastAdmin, "make or enable another admin first"},
		"disable the last admin":    {"PATCH", "/users/root", `{"disabled":true}`, 409, adminapi.CodeLastAdmin, ""},
		"demote the last admin":     {"PATCH", "/users/root", `{"admin":false}`, 409, adminapi.CodeLastAdmin, ""},
		"malformed permission":      {"POST", "/users/bob/permissions", `{"permission":"team/app:push"}`, 422, adminapi.CodeInvalid, ""},
		"no permission":             {"DELETE", "/users/bob/permissions", "", 422, adminapi.CodeInvalid, ""},
		"permission of nobody":      {"POST", "/users/nobody/permissions", `{"permission":"repository:a:pull"}`, 404, adminapi.CodeNotFound, ""},
		"unknown action":            {"GET", "/users/bob/can?name=a&actions=look", "", 422, adminapi.CodeInvalid, "unknown action"},
		"pattern instead of a name": {"GET", "/users/bob/can?name=" + url.QueryEscape("a/*") + "&actions=pull", "", 422, adminapi.CodeInvalid, ""},
		"part of the catalog":       {"GET", "/users/bob/can?type=registry&name=catalog&actions=pull", "", 422, adminapi.CodeInvalid, "actions *"},
		"page too large":            {"GET", "/users?limit=1001", "", 422, adminapi.CodeInvalid, ""},
		"page too small":            {"GET", "/users?limit=0", "", 422, adminapi.CodeInvalid, ""},
		"negative page":             {"GET", "/users?limit=-1", "", 422, adminapi.CodeInvalid, ""},
		"foreign cursor":            {"GET", "/users?cursor=!", "", 422, adminapi.CodeInvalid, "start without one"},
		"unknown parameter":         {"GET", "/users?page=2", "", 422, adminapi.CodeInvalid, ""},
		"body too large":            {"POST", "/users", `{"name":"` + strings.Repeat("a", 64<<10) + `"}`, 413, adminapi.CodeInvalid, "64 KiB"},
		"URL too long":              {"GET", "/users?cursor=" + strings.Repeat("a", 9000), "", 414, adminapi.CodeInvalid, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := f.do(c.method, c.path, c.body)
			assert.Equal(t, c.status, got.StatusCode, "body: %s", got.body)
			p := got.problem(t)
			assert.Equal(t, c.code, p.Code)
			if c.says != "" {
				assert.Contains(t, p.Detail, c.says)
			}
			if c.status == http.StatusMethodNotAllowed {
				assert.Equal(t, c.says, got.Header.Get("Allow"))
			}
			assert.Less(t, len(got.body), 4096, "what was sent does not come back at any length")
		})
	}
	after, err := f.store.Marks(t.Context())
	require.NoError(t, err)
	assert.Equal(t, before.Revision, after.Revision, "a refused request changes nothing")
}

func TestRefusalsDoNotRepeatSecrets(t *testing.T) {
	const planted = "planted-secret-41b7"
	f := newFixture(t)
	for _, request := range []struct{ method, path, body string }{
		{"POST", "/users", `{"name":"Bad Name","password":"` + planted + `"}`},
		{"POST", "/users", `{"name":"x","password":"` + planted + `","extra":1}`},
		{"POST", "/users", `{"password":"` + planted + `"}`},
		{"POST", "/users", `{"name":"x","password":["` + planted + `"]}`},
		{"POST", "/users", `{"name":"x","password":"` + planted + strings.Repeat("x", 1024) + `"}`},
		{"POST", "/users", `{"name":"x","password_hash":"` + planted + `"}`},
		{"POST", "/users", `{"name":"x","password":"` + planted + `"`},
		{"PUT", "/users/nobody/password", `{"password":"` + planted + `"}`},
		{"PUT", "/users/root/password", `{"password":{"` + planted + `":1}}`},
	} {
		got := f.do(request.method, request.path, request.body)
		assert.GreaterOrEqual(t, got.StatusCode, 400)
		assert.NotContains(t, string(got.body), planted, "%s %s", request.method, request.body)
	}
}

// troubled stands in for an Authenticator in trouble.
type troubled struct {
	Authenticator
	err error
}

func (a troubled) Authenticate(context.Context, string, string) (auth.Principal, error) {
	return auth.Principal{}, a.err
}

func TestLoginsThatCannotBeChecked(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct {
		err    error
		status int
		code   adminapi.Code
		retry  string
	}{
		"busy":      {fmt.Errorf("check: %w", auth.ErrBusy), http.StatusServiceUnavailable, adminapi.CodeBusy, "1"},
		"throttled": {&auth.ThrottledError{RetryAfter: 899500 * time.Millisecond}, http.StatusTooManyRequests, adminapi.CodeThrottled, "900"},
		"broken":    {errors.New("disk secret-path is gone"), http.StatusInternalServerError, adminapi.CodeInternal, ""},
	} {
		t.Run(name, func(t *testing.T) {
			config := f.api.config
			config.Auth = troubled{config.Auth, c.err}
			api, err := New(config)
			require.NoError(t, err)
			got := (&fixture{t: t, store: f.store, api: api}).do("GET", "/users", "")
			assert.Equal(t, c.status, got.StatusCode)
			assert.Equal(t, c.code, got.problem(t).Code)
			assert.Equal(t, c.retry, got.Header.Get("Retry-After"))
			assert.NotContains(t, string(got.body), "secret-path")
		})
	}
}

func TestOtherSitesAreRefused(t *testing.T) {
	f := populated(t)
	foreign := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	got := f.do("DELETE", "/users/bob", "", foreign)
	assert.Equal(t, http.StatusForbidden, got.StatusCode)
	assert.Equal(t, adminapi.CodeForbidden, got.problem(t).Code)
	assert.Equal(t, http.StatusOK, f.do("GET", "/users/bob", "").StatusCode, "still there")
}
