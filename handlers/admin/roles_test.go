package admin

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/store"
)

// endpoints holds a valid request for every route. The document itself is no
// operation of the document.
var endpoints = map[string]struct {
	path, body string
	status     int
}{
	"GET /openapi.json": {path: "/openapi.json", status: 200},

	"GET /state":       {path: "/state", status: 200},
	"PUT /state":       {path: "/state?add=true", body: "version: dockit/v1\n", status: 200},
	"POST /state/plan": {path: "/state/plan", body: "version: dockit/v1\n", status: 200},

	"GET /audit":      {path: "/audit", status: 200},
	"GET /audit/head": {path: "/audit/head", status: 200},

	"GET /audit/checkpoints": {path: "/audit/checkpoints", status: 200},

	"GET /permissions": {path: "/permissions?repository=held", status: 200},

	"GET /users":                               {path: "/users", status: 200},
	"POST /users":                              {path: "/users", body: `{"name":"new"}`, status: 201},
	"GET /users/{name}":                        {path: "/users/bob", status: 200},
	"PATCH /users/{name}":                      {path: "/users/bob", body: `{"disabled":true}`, status: 200},
	"DELETE /users/{name}":                     {path: "/users/bob", status: 204},
	"PUT /users/{name}/password":               {path: "/users/bob/password", body: `{"password":"another long password"}`, status: 204},
	"GET /users/{name}/groups":                 {path: "/users/bob/groups", status: 200},
	"GET /users/{name}/permissions":            {path: "/users/bob/permissions", status: 200},
	"POST /users/{name}/permissions":           {path: "/users/bob/permissions", body: `{"permission":"repository:a:pull"}`, status: 200},
	"DELETE /users/{name}/permissions":         {path: "/users/bob/permissions?permission=repository:held:pull", status: 200},
	"GET /users/{name}/effective-permissions":  {path: "/users/bob/effective-permissions", status: 200},
	"GET /users/{name}/can":                    {path: "/users/bob/can?name=held&actions=pull", status: 200},
	"GET /robots":                              {path: "/robots", status: 200},
	"POST /robots":                             {path: "/robots", body: `{"name":"new"}`, status: 201},
	"GET /robots/{name}":                       {path: "/robots/ci", status: 200},
	"PATCH /robots/{name}":                     {path: "/robots/ci", body: `{"disabled":true}`, status: 200},
	"DELETE /robots/{name}":                    {path: "/robots/ci", status: 204},
	"GET /robots/{name}/groups":                {path: "/robots/ci/groups", status: 200},
	"GET /robots/{name}/permissions":           {path: "/robots/ci/permissions", status: 200},
	"POST /robots/{name}/permissions":          {path: "/robots/ci/permissions", body: `{"permission":"repository:a:pull"}`, status: 200},
	"DELETE /robots/{name}/permissions":        {path: "/robots/ci/permissions?permission=repository:held:pull", status: 200},
	"GET /robots/{name}/effective-permissions": {path: "/robots/ci/effective-permissions", status: 200},
	"GET /robots/{name}/can":                   {path: "/robots/ci/can?name=held&actions=pull", status: 200},
	"GET /groups":                              {path: "/groups", status: 200},
	"POST /groups":                             {path: "/groups", body: `{"name":"new"}`, status: 201},
	"GET /groups/{name}":                       {path: "/groups/dev", status: 200},
	"PATCH /groups/{name}":                     {path: "/groups/dev", body: `{"disabled":true}`, status: 200},
	"DELETE /groups/{name}":                    {path: "/groups/dev", status: 204},
	"GET /groups/{name}/members":               {path: "/groups/dev/members", status: 200},
	"PUT /groups/{name}/members/{ref}":         {path: "/groups/dev/members/robot:ci", status: 201},
	"DELETE /groups/{name}/members/{ref}":      {path: "/groups/dev/members/user:bob", status: 204},
	"GET /groups/{name}/permissions":           {path: "/groups/dev/permissions", status: 200},
	"POST /groups/{name}/permissions":          {path: "/groups/dev/permissions", body: `{"permission":"repository:a:pull"}`, status: 200},
	"DELETE /groups/{name}/permissions":        {path: "/groups/dev/permissions?permission=repository:held:pull", status: 200},
	"GET /groups/{name}/effective-permissions": {path: "/groups/dev/effective-permissions", status: 200},
	"GET /groups/{name}/can":                   {path: "/groups/dev/can?name=held&actions=pull", status: 200},

	"GET /users/{name}/access-tokens":     {path: "/users/bob/access-tokens", status: 200},
	"POST /users/{name}/access-tokens":    {path: "/users/bob/access-tokens", body: `{"name":"laptop"}`, status: 201},
	"GET /robots/{name}/access-tokens":    {path: "/robots/ci/access-tokens", status: 200},
	"POST /robots/{name}/access-tokens":   {path: "/robots/ci/access-tokens", body: `{"name":"deploy"}`, status: 201},
	"GET /access-tokens":                  {"/access-tokens?unused=true", "", 200},
	"GET /access-tokens/{id}":             {path: "/access-tokens/abcdefghijkl", status: 404},
	"POST /access-tokens/{id}/rotate":     {path: "/access-tokens/abcdefghijkl/rotate", status: 404},
	"DELETE /access-tokens/{id}":          {path: "/access-tokens/abcdefghijkl", status: 404},
	"GET /users/{name}/refresh-tokens":    {path: "/users/bob/refresh-tokens", status: 200},
	"DELETE /users/{name}/refresh-tokens": {path: "/users/bob/refresh-tokens", status: 200},
	"GET /refresh-tokens/{id}":            {path: "/refresh-tokens/abcdefghijkl", status: 404},
	"DELETE /refresh-tokens/{id}":         {path: "/refresh-tokens/abcdefghijkl", status: 404},
	"GET /lockouts":                       {path: "/lockouts", status: 200},
	"DELETE /users/{name}/lockouts":       {path: "/users/bob/lockouts", status: 200},
	"DELETE /robots/{name}/lockouts":      {path: "/robots/ci/lockouts", status: 200},

	"GET /issuers":                 {path: "/issuers", status: 200},
	"POST /issuers":                {path: "/issuers", body: `{"name":"idp","url":"idp","jwks":"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"}`, status: 201},
	"GET /issuers/{name}":          {path: "/issuers/nobody", status: 404},
	"PATCH /issuers/{name}":        {path: "/issuers/nobody", body: `{"disabled":true}`, status: 404},
	"DELETE /issuers/{name}":       {path: "/issuers/nobody", status: 404},
	"POST /issuers/{name}/refresh": {path: "/issuers/nobody/refresh", status: 404},
	"GET /issuers/{name}/refusals": {path: "/issuers/nobody/refusals", status: 404},
	"POST /issuers/try":            {path: "/issuers/try", body: `{"token":"x"}`, status: 200},
	"GET /bindings":                {path: "/bindings", status: 200},
	"POST /bindings":               {path: "/bindings", body: `{"name":"b","issuer":"nobody","robot":"robot:ci","claims":["sub=x"]}`, status: 404},
	"GET /bindings/{name}":         {path: "/bindings/nobody", status: 404},
	"PATCH /bindings/{name}":       {path: "/bindings/nobody", body: `{"disabled":true}`, status: 404},
	"DELETE /bindings/{name}":      {path: "/bindings/nobody", status: 404},

	"GET /robots/{name}/sessions":    {path: "/robots/ci/sessions", status: 200},
	"DELETE /robots/{name}/sessions": {path: "/robots/ci/sessions", status: 200},
	"GET /sessions/{id}":             {path: "/sessions/abcdefghijkl", status: 404},
	"DELETE /sessions/{id}":          {path: "/sessions/abcdefghijkl", status: 404},

	"GET /pki":                   {path: "/pki", status: 200},
	"GET /pki/keys":              {path: "/pki/keys", status: 200},
	"POST /pki/rotate":           {path: "/pki/rotate", status: 200},
	"POST /pki/rotate-ca":        {path: "/pki/rotate-ca", body: `{"force":true}`, status: 200},
	"POST /pki/keys/{id}/revoke": {path: "/pki/keys/unknown/revoke", status: 404},
}

// populated has a subject of each kind to work on, and those who ask.
func populated(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.create(store.NewSubject{Ref: user("alice")})
	f.create(store.NewSubject{Ref: user("off"), Admin: true, Disabled: true})
	f.create(store.NewSubject{Ref: user("bob")})
	f.create(store.NewSubject{Ref: robot("ci")})
	f.create(store.NewSubject{Ref: group("dev")})
	for _, path := range []string{"/users/bob", "/robots/ci", "/groups/dev"} {
		require.Equal(t, http.StatusOK, f.do("POST", path+"/permissions", `{"permission":"repository:held:pull"}`).StatusCode)
	}
	require.Equal(t, http.StatusCreated, f.do("PUT", "/groups/dev/members/user:bob", "").StatusCode)
	return f
}

// refusedAtOnce is how many requests of [TestOnlyAdminsUseAnyEndpoint] are sent
// at a time: wrong passwords are answered late.
const refusedAtOnce = 16

func TestOnlyAdminsUseAnyEndpoint(t *testing.T) {
	roles := map[string]struct {
		login  func(*http.Request)
		status int
		code   adminapi.Code
	}{
		"anonymous":      {func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusUnauthorized, adminapi.CodeUnauthorized},
		"user":           {func(r *http.Request) { r.SetBasicAuth("alice", goodPassword) }, http.StatusForbidden, adminapi.CodeForbidden},
		"disabled admin": {func(r *http.Request) { r.SetBasicAuth("off", goodPassword) }, http.StatusUnauthorized, adminapi.CodeUnauthorized},
		// The hash of an admin who never logs in remains a cheap one.
		"wrong password": {func(r *http.Request) { r.SetBasicAuth("other", "not the password") }, http.StatusUnauthorized, adminapi.CodeUnauthorized},
	}
	shared := populated(t)
	shared.create(store.NewSubject{Ref: user("other"), Admin: true})
	before, err := shared.store.Marks(t.Context())
	require.NoError(t, err)
	type request struct{ endpoint, role string }
	var (
		mu      sync.Mutex
		answers = map[request]answer{}
		sending errgroup.Group
	)
	sending.SetLimit(refusedAtOnce)
	for name, endpoint := range endpoints {
		method, _, _ := strings.Cut(name, " ")
		for role, expected := range roles {
			sending.Go(func() error {
				got := shared.do(method, endpoint.path, endpoint.body, expected.login)
				mu.Lock()
				defer mu.Unlock()
				answers[request{name, role}] = got
				return nil
			})
		}
	}
	require.NoError(t, sending.Wait())
	after, err := shared.store.Marks(t.Context())
	require.NoError(t, err)
	assert.Equal(t, before.Revision, after.Revision, "a refused request changes nothing")

	for name, endpoint := range endpoints {
		method, _, _ := strings.Cut(name, " ")
		for role, expected := range roles {
			t.Run(name+" as "+role, func(t *testing.T) {
				got := answers[request{name, role}]
				assert.Equal(t, expected.status, got.StatusCode)
				assert.Equal(t, expected.code, got.problem(t).Code)
				assert.Equal(t, expected.status == http.StatusUnauthorized, got.Header.Get("WWW-Authenticate") != "")
			})
		}
		t.Run(name+" as admin", func(t *testing.T) {
			f := shared
			if method != http.MethodGet {
				f = populated(t)
			}
			got := f.do(method, endpoint.path, endpoint.body)
			assert.Equal(t, endpoint.status, got.StatusCode, "body: %s", got.body)
		})
	}
}

func TestEveryRouteIsInTheTable(t *testing.T) {
	f := newFixture(t)
	var document struct {
		OpenAPI string                    `json:"openapi"`
		Paths   map[string]map[string]any `json:"paths"`
	}
	f.do("GET", "/openapi.json", "").decode(t, &document)
	assert.Equal(t, "3.1.0", document.OpenAPI)
	described := map[string]bool{"GET /openapi.json": true}
	for path, operations := range document.Paths {
		for method := range operations {
			described[strings.ToUpper(method)+" "+path] = true
		}
	}
	for route := range described {
		assert.Contains(t, endpoints, route, "a route without a test of who may use it")
	}
	for route := range endpoints {
		assert.Contains(t, described, route, "a test of a route that is gone")
	}
}

// TestTwoAuthorizationHeadersAreRefused sends right credentials, and others
// beside them that a proxy may have looked at.
func TestTwoAuthorizationHeadersAreRefused(t *testing.T) {
	f := populated(t)
	for name, second := range map[string]string{
		"other credentials": "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+goodPassword)),
		"the same":          "Basic " + base64.StdEncoding.EncodeToString([]byte("root:"+goodPassword)),
		"another scheme":    "Bearer x",
		"empty":             "",
	} {
		t.Run(name, func(t *testing.T) {
			got := f.do("GET", "/users", "", func(r *http.Request) { r.Header.Add("Authorization", second) })
			assert.Equal(t, http.StatusUnauthorized, got.StatusCode)
			assert.Equal(t, adminapi.CodeUnauthorized, got.problem(t).Code)
		})
	}
	assert.Equal(t, http.StatusOK, f.do("GET", "/users", "").StatusCode, "one is enough")
}

// TestPagesAreBoundedAsSaid guards that clients may ask for as much as the package
// for them says.
func TestPagesAreBoundedAsSaid(t *testing.T) {
	var document struct {
		Paths map[string]map[string]struct {
			Parameters []struct {
				Name   string
				Schema struct{ Maximum, Default any }
			}
		}
	}
	newFixture(t).do("GET", "/openapi.json", "").decode(t, &document)
	found := 0
	for _, operations := range document.Paths {
		for _, operation := range operations {
			for _, parameter := range operation.Parameters {
				if parameter.Name == "limit" {
					found++
					assert.EqualValues(t, adminapi.MaxLimit, parameter.Schema.Maximum)
					assert.EqualValues(t, 100, parameter.Schema.Default)
				}
			}
		}
	}
	assert.NotZero(t, found)
}
