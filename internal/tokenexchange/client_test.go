package tokenexchange

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/httpclient"
)

const (
	jwt      = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl"
	password = "dockit_k3v7q2mzx4ta_7h5wq"
	granted  = `{"access_token":"` + password + `","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"N_A","expires_in":3600,"username":"ci"}`
)

// serve answers with a status and a body, and keeps the requests.
func serve(t *testing.T, status int, headers http.Header, body string) (Client, *[]*http.Request, *[]string) {
	t.Helper()
	var requests []*http.Request
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		requests, bodies = append(requests, r), append(bodies, string(content))
		w.Header().Set("Content-Type", "application/json")
		maps.Copy(w.Header(), headers)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	realm, err := url.Parse(server.URL + "/v2/token")
	require.NoError(t, err)
	return Client{HTTP: httpclient.New(httpclient.Options{Timeout: 10 * time.Second}), Realm: realm}, &requests, &bodies
}

// TestExchangeOnTheWire guards the request byte by byte.
func TestExchangeOnTheWire(t *testing.T) {
	const plain = "audience=registry.example.com&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"
	const token = "&subject_token=" + jwt + "&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt"
	for name, tc := range map[string]struct{ robot, body string }{
		"whichever robot": {"", plain + token},
		"one of several":  {"deploy", plain + "&resource=deploy" + token},
	} {
		t.Run(name, func(t *testing.T) {
			c, requests, bodies := serve(t, http.StatusOK, nil, granted)
			credential, err := c.Exchange(t.Context(), Request{Token: jwt, Service: "registry.example.com", Robot: tc.robot})
			require.NoError(t, err)
			assert.Equal(t, Credential{"ci", password, time.Hour}, credential)
			require.Len(t, *requests, 1)
			r := (*requests)[0]
			assert.Equal(t, "POST /v2/token", r.Method+" "+r.URL.String())
			assert.Equal(t, "application/x-www-form-urlencoded", r.Header.Get("Content-Type"))
			assert.Equal(t, "application/json", r.Header.Get("Accept"))
			assert.Empty(t, r.Header.Get("Authorization"))
			assert.Equal(t, tc.body, (*bodies)[0])
		})
	}
}

func TestRevokeOnTheWire(t *testing.T) {
	c, requests, bodies := serve(t, http.StatusOK, nil, "")
	require.NoError(t, c.Revoke(t.Context(), password, AccessToken))
	require.Len(t, *requests, 1)
	assert.Equal(t, "POST /v2/token/revoke", (*requests)[0].Method+" "+(*requests)[0].URL.String())
	assert.Equal(t, "token="+password+"&token_type_hint=access_token", (*bodies)[0])
}

func TestExchangeAnswers(t *testing.T) {
	with := func(old, replacement string) string {
		require.Contains(t, granted, old)
		return strings.Replace(granted, old, replacement, 1)
	}
	for name, tc := range map[string]struct {
		body string
		life time.Duration
		says string
		is   error
	}{
		"lower case":             {body: with("N_A", "n_a"), life: time.Hour},
		"no life":                {body: with(`"expires_in":3600,`, "")},
		"a life of no end":       {body: with("3600", "9223372036854775807")},
		"a life below nothing":   {body: with("3600", "-1")},
		"a registry token":       {body: `{"token":"` + jwt + `","access_token":"` + jwt + `","expires_in":300}`, is: ErrNoExchange},
		"a token to be carried":  {body: with("N_A", "Bearer"), is: ErrNoExchange},
		"no JSON":                {body: "<html>" + password, is: ErrNoExchange},
		"no password":            {body: with(password, ""), says: "no password"},
		"a password of lines":    {body: with(password, `dockit_\n::add-mask::`), says: "no password"},
		"a password of no end":   {body: with(password, strings.Repeat("a", maxPassword+1)), says: "no password"},
		"no name":                {body: with(`"ci"`, `""`), says: "for whom"},
		"a name of its own kind": {body: with(`"ci"`, `"a:b\u001b[31m"`), says: "for whom"},
		"more than can be read":  {body: granted + strings.Repeat(" ", maxAnswer), says: "more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, _ := serve(t, http.StatusOK, nil, tc.body)
			credential, err := c.Exchange(t.Context(), Request{Token: jwt, Service: "registry"})
			if tc.says == "" && tc.is == nil {
				require.NoError(t, err)
				assert.Equal(t, tc.life, credential.ExpiresIn)
				return
			}
			require.Error(t, err)
			if tc.is != nil {
				require.ErrorIs(t, err, tc.is)
			}
			require.ErrorContains(t, err, tc.says)
			assert.NotContains(t, err.Error(), password)
			assert.Empty(t, credential)
		})
	}
}

func TestRefusals(t *testing.T) {
	html := http.Header{"Content-Type": {"text/html"}}
	for name, tc := range map[string]struct {
		status  int
		headers http.Header
		body    string
		code    string
		says    string
		none    bool // nothing there exchanges tokens
		again   bool
		after   time.Duration
	}{
		"a bad token":            {status: 400, body: `{"error":"invalid_request","error_description":"its ref is \"x\": log in from main"}`, code: "invalid_request", says: `its ref is "x": log in from main`},
		"as registries say it":   {status: 400, body: `{"error":"invalid_target","errors":[{"code":"UNSUPPORTED","message":"unknown service"}]}`, code: "invalid_target", says: "unknown service"},
		"what steers a terminal": {status: 400, body: `{"error":"invalid_request","error_description":"a\u001b[31mb\nc\u202e"}`, code: "invalid_request", says: "a?[31mb?c?"},
		"the token itself":       {status: 400, body: `{"error":"invalid_request","error_description":"bad token ` + jwt + `"}`, code: "invalid_request", says: "bad token …"},
		"a sentence of no end":   {status: 400, body: `{"error":"invalid_request","error_description":"` + strings.Repeat("a", 100_000) + `"}`, code: "invalid_request", says: strings.Repeat("a", maxMessage) + "…"},
		"an older Dockit":        {status: 400, body: `{"error":"unsupported_grant_type","error_description":"the grant type is not supported here"}`, code: "unsupported_grant_type", says: "not supported", none: true},
		"another page":           {status: 404, headers: html, body: "<html>not found", says: "status 404 Not Found", none: true},
		"another method":         {status: 405, says: "status 405", none: true},
		"a redirect":             {status: 307, headers: http.Header{"Location": {"https://elsewhere.example.com"}}, says: "status 307", none: true},
		"busy":                   {status: 503, headers: http.Header{"Retry-After": {"5"}}, body: `{"error":"temporarily_unavailable","error_description":"try again"}`, code: "temporarily_unavailable", says: "try again", again: true, after: 5 * time.Second},
		"too many":               {status: 429, headers: http.Header{"Retry-After": {"99999999999"}}, says: "status 429", again: true, after: time.Minute},
		"a proxy":                {status: 502, headers: html, body: "<html>", says: "status 502 Bad Gateway", again: true},
		"broken":                 {status: 500, body: `{"error":"server_error","error_description":"see the log"}`, code: "server_error", says: "see the log"},
	} {
		t.Run(name, func(t *testing.T) {
			c, requests, _ := serve(t, tc.status, tc.headers, tc.body)
			_, err := c.Exchange(t.Context(), Request{Token: jwt, Service: "registry"})
			var refusal *Refusal
			require.ErrorAs(t, err, &refusal)
			assert.Equal(t, tc.code, refusal.Code)
			require.ErrorContains(t, err, tc.says)
			assert.Less(t, len(err.Error()), maxMessage+200)
			assert.NotContains(t, err.Error(), jwt)
			after, again := refusal.RetryAfter()
			assert.Equal(t, tc.again, again)
			assert.Equal(t, tc.after, after)
			assert.Len(t, *requests, 1, "redirects are not followed")
			if tc.none {
				require.ErrorIs(t, err, ErrNoExchange)
				assert.ErrorContains(t, err, "is that the token endpoint")
			} else {
				assert.NotErrorIs(t, err, ErrNoExchange)
			}
		})
	}
}
