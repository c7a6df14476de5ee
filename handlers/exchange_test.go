package handlers

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/issuertest"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// exchange asks for a token by RFC 8693, with fields replaced; "" leaves one out.
func exchange(f *fixture, token string, changes ...string) *httptest.ResponseRecorder {
	f.Helper()
	fields := map[string]string{
		"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": token,
		"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "audience": service,
	}
	var more []string
	for _, change := range changes {
		name, value, _ := strings.Cut(change, "=")
		if name, again := strings.CutPrefix(name, "+"); again {
			more = append(more, name+"="+value)
			continue
		}
		if fields[name] = value; value == "" {
			delete(fields, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		more = append([]string{name + "=" + fields[name]}, more...)
	}
	return f.post(more...)
}

// exchanged is the answer of RFC 8693.
type exchanged struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int    `json:"expires_in"`
	Username        string `json:"username"`
	Scope           string `json:"scope"`
}

func (f *fixture) exchanged(w *httptest.ResponseRecorder) exchanged {
	f.Helper()
	require.Equal(f, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(f, "no-store", w.Header().Get("Cache-Control"))
	require.Equal(f, "no-cache", w.Header().Get("Pragma"))
	require.Equal(f, "application/json", w.Header().Get("Content-Type"))
	var got exchanged
	require.NoError(f, json.Unmarshal(w.Body.Bytes(), &got))
	return got
}

func TestExchange(t *testing.T) {
	const asked = "scope=repository:team/app:pull,push repository:team/other:pull"
	pullOnly := access.Permission{Type: access.Repository, Name: "team/app", Actions: access.Pull}
	for name, c := range map[string]struct {
		scopes  []access.Permission
		changes []string
		opens   []string
		scope   string
	}{
		"a JWT":                                  {nil, nil, []string{"repository:team/app:pull,push", "repository:team/other:pull"}, ""},
		"an id_token":                            {nil, []string{"subject_token_type=urn:ietf:params:oauth:token-type:id_token"}, []string{"repository:team/app:pull,push", "repository:team/other:pull"}, ""},
		"everything that may":                    {nil, []string{"resource=ci", "requested_token_type=urn:ietf:params:oauth:token-type:access_token", "client_id=test", "service=ignored"}, []string{"repository:team/app:pull,push", "repository:team/other:pull"}, ""},
		"a robot as a URI":                       {nil, []string{"resource=robot:CI"}, []string{"repository:team/app:pull,push", "repository:team/other:pull"}, ""},
		"scopes":                                 {nil, []string{"scope=repository:team/app:push repository:secret:pull"}, []string{"repository:team/app:pull,push"}, "repository:team/app:push repository:secret:pull"},
		"scopes, twice":                          {nil, []string{"scope=repository:team/app:pull", "+scope=repository:team/other:pull"}, []string{"repository:team/app:pull", "repository:team/other:pull"}, "repository:team/app:pull repository:team/other:pull"},
		"scopes of the binding":                  {[]access.Permission{pullOnly}, nil, []string{"repository:team/app:pull"}, ""},
		"scopes wider than those of the binding": {[]access.Permission{pullOnly}, []string{"scope=repository:**:push"}, []string{"repository:team/app:pull"}, "repository:**:push"},
	} {
		t.Run(name, func(t *testing.T) {
			f, i := withIssuer(t, c.scopes...)
			w := exchange(f, jobToken(t, i), c.changes...)
			got := f.exchanged(w)
			assert.Regexp(t, "^dockit_[a-z2-7]{12}_[a-z2-7]{39}$", got.AccessToken)
			assert.Equal(t, []string{"ci", "N_A", "urn:ietf:params:oauth:token-type:access_token", c.scope}, []string{got.Username, got.TokenType, got.IssuedTokenType, got.Scope})
			assert.InDelta(t, 6*60*60, got.ExpiresIn, 60)
			assert.NotContains(t, w.Body.String(), "refresh_token")
			for _, username := range []string{"ci", "_"} {
				for way, w := range byEachWay(f, username, got.AccessToken, asked, "offline_token=true", "access_type=offline") {
					claims, opens := f.token(w)
					assert.Equal(t, "ci", claims.Subject, way)
					assert.Equal(t, c.opens, opens, way)
					assert.NotContains(t, w.Body.String(), "refresh_token", "%s: no session makes another", way)
				}
			}
			f.refused(f.get("alice:"+got.AccessToken, "service="+service), http.StatusUnauthorized)
			f.refused(f.get("ci:"+got.AccessToken, "service="+zotService), http.StatusUnauthorized)
			f.refused(f.post("grant_type=refresh_token", "service="+service, "refresh_token="+got.AccessToken), http.StatusBadRequest)
			f.refused(exchange(f, got.AccessToken), http.StatusBadRequest)
		})
	}
}

func TestExchangeRefusals(t *testing.T) {
	f, i := withIssuer(t)
	f.subject(store.NewSubject{Ref: subject.Ref{Kind: subject.Robot, Name: "unbound"}})
	good := jobToken(t, i)
	stranger := issuertest.Offline(t, "https://stranger.example.com")
	logs := f.logged()
	for name, c := range map[string]struct {
		token   string
		changes []string
		code    string
		says    string
	}{
		"no token":                    {"", nil, "invalid_request", "subject_token"},
		"two tokens":                  {good, []string{"+subject_token=x"}, "invalid_request", "2 times"},
		"no type":                     {good, []string{"subject_token_type="}, "invalid_request", "subject_token_type"},
		"another type":                {good, []string{"subject_token_type=urn:ietf:params:oauth:token-type:access_token"}, "invalid_request", "id_token"},
		"an actor":                    {good, []string{"actor_token=x", "actor_token_type=urn:ietf:params:oauth:token-type:jwt"}, "invalid_request", "actor_token"},
		"something else wanted":       {good, []string{"requested_token_type=urn:ietf:params:oauth:token-type:saml2"}, "invalid_request", "access_token"},
		"no audience":                 {good, []string{"audience="}, "invalid_request", "audience"},
		"unknown service":             {good, []string{"audience=other"}, "invalid_target", `"other"`},
		"two services":                {good, []string{"+audience=" + zotService}, "invalid_target", "one service"},
		"two robots":                  {good, []string{"resource=ci", "+resource=cd"}, "invalid_target", "one robot"},
		"unknown robot":               {good, []string{"resource=nobody"}, "invalid_target", `"nobody"`},
		"robot without a binding":     {good, []string{"resource=unbound"}, "invalid_target", `"unbound"`},
		"no name of a robot":          {good, []string{"resource=https://registry.example.com/"}, "invalid_target", "name of a robot"},
		"an empty robot":              {good, []string{"+resource="}, "invalid_target", "name of a robot"},
		"malformed scope":             {good, []string{"scope=team/app"}, "invalid_request", "scope"},
		"too many scopes":             {good, []string{"scope=" + strings.Repeat("repository:a:pull ", 65)}, "invalid_request", "65 scopes"},
		"another service's token":     {jobToken(t, i, map[string]any{"aud": zotService}), nil, "invalid_request", service},
		"expired":                     {jobToken(t, i, map[string]any{"exp": 1_700_000_000, "iat": 1_699_999_000, "nbf": 1_699_999_000}), nil, "invalid_request", "expired"},
		"conditions that do not hold": {jobToken(t, i, map[string]any{"ref": "refs/heads/dev"}), []string{"resource=ci"}, "invalid_request", "refs/heads/dev"},
		"forged":                      {good[:strings.LastIndex(good, ".")+1] + strings.Repeat("A", 86), nil, "invalid_request", "signature"},
		"of a stranger":               {stranger.Sign(t, stranger.Claims(f.store.Now(), service)), nil, "invalid_request", "no token of an issuer"},
		"a password":                  {"correct horse battery", nil, "invalid_request", "no token of an issuer"},
		"too large":                   {jobToken(t, i, map[string]any{"x": strings.Repeat("x", 20_000)}), nil, "invalid_request", "at most 24576"},
	} {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			w := exchange(f, c.token, c.changes...)
			assert.Contains(t, f.refused(w, http.StatusBadRequest), c.says)
			var body errorBody
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
			assert.Equal(t, c.code, body.Error)
			assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			for _, secret := range []string{good, "battery", service + ", " + jwksService} {
				assert.NotContains(t, w.Body.String(), secret)
			}
		})
	}
	for _, line := range logs.TakeAll() {
		assert.Equal(t, "token-exchange", line.ContextMap()["grant"])
		assert.NotContains(t, fmt.Sprint(line.ContextMap()), good)
	}
	sessions, err := f.store.Sessions(t.Context(), ciRef, store.Page{Limit: 10})
	require.NoError(t, err)
	assert.Empty(t, sessions)
	f.disable(ciRef)
	w := exchange(f, good)
	assert.Contains(t, f.refused(w, http.StatusBadRequest), "cannot log in")
	assert.Contains(t, w.Body.String(), `"invalid_request"`)
	assert.Contains(t, f.refused(exchange(f, good, "+grant_type=password"), http.StatusBadRequest), "2 times")
	w = f.do(tokenPOST(`{"grant_type":"urn:ietf:params:oauth:grant-type:token-exchange"}`, "application/json"))
	assert.Contains(t, f.refused(w, http.StatusBadRequest), formType)
}

// TestExchangeAmbiguous: who does not say which robot is not guessed for.
func TestExchangeAmbiguous(t *testing.T) {
	f, i := withIssuer(t)
	cd := subject.Ref{Kind: subject.Robot, Name: "cd"}
	f.subject(store.NewSubject{Ref: cd})
	_, _, err := f.store.CreateBinding(t.Context(), federation.Binding{
		Name: "deploy", Issuer: "github", Robot: cd, Claims: []federation.Condition{{Name: "repository_id", Value: "74"}, {Name: "ref", Value: "refs/heads/main"}},
	})
	require.NoError(t, err)
	w := exchange(f, jobToken(t, i))
	told := f.refused(w, http.StatusBadRequest)
	assert.Contains(t, told, "robot:cd")
	assert.Contains(t, told, "robot:ci")
	assert.Contains(t, w.Body.String(), `"invalid_request"`)
	assert.Equal(t, "cd", f.exchanged(exchange(f, jobToken(t, i), "resource=cd")).Username)
}

func TestExchangedTokensAreNoneOfTheRobotsTwo(t *testing.T) {
	f, i := withIssuer(t)
	for range 5 {
		f.exchanged(exchange(f, jobToken(t, i)))
	}
	sessions, err := f.store.Sessions(t.Context(), ciRef, store.Page{Limit: 10})
	require.NoError(t, err)
	assert.Len(t, sessions, 5)
	tokens, err := f.store.AccessTokens(t.Context(), ciRef, store.Page{Limit: 10})
	require.NoError(t, err)
	assert.Empty(t, tokens)
}

func TestExchangeIsLogged(t *testing.T) {
	f, i := withIssuer(t)
	logs := f.logged()
	got := f.exchanged(exchange(f, jobToken(t, i), "client_id=dockit", "scope=repository:team/app:pull"))
	lines := logs.TakeAll()
	require.Len(t, lines, 1)
	assert.Equal(t, "session started", lines[0].Message)
	fields := lines[0].ContextMap()
	assert.Equal(t, []any{"token-exchange", "ci", service, "github", "app", "repository:team/app:pull", "dockit", strings.Split(got.AccessToken, "_")[1]},
		[]any{fields["grant"], fields["subject"], fields["service"], fields["issuer"], fields["binding"], fields["scope"], fields["user_agent"], fields["token_id"]})
	assert.Contains(t, fmt.Sprint(fields["job"]), "run_id=1001")
	assert.NotContains(t, fmt.Sprint(fields), got.AccessToken)
}

func FuzzExchange(f *testing.F) {
	f.Add("subject_token=a.b.c&subject_token_type=urn:ietf:params:oauth:token-type:jwt&audience=" + service + "&resource=ci&scope=repository:a:pull")
	f.Add("resource=%00&audience=x&audience=y&scope=::")
	f.Add("subject_token_type=urn:ietf:params:oauth:token-type:id_token&subject_token=" + strings.Repeat("x", 100))
	shared := newFixture(f)
	f.Fuzz(func(t *testing.T, body string) {
		fields, err := readForm(tokenPOST("grant_type="+grantExchange+"&"+body, formType))
		if err != nil {
			return
		}
		asked, err := shared.server.parseExchange(fields)
		if err != nil {
			var told *refusal
			require.ErrorAs(t, err, &told)
			require.Equal(t, http.StatusBadRequest, told.status)
			require.NotEmpty(t, told.message)
			return
		}
		require.NotEmpty(t, asked.Token)
		require.Contains(t, shared.server.services, asked.Service)
		for _, p := range asked.Scopes {
			require.NoError(t, p.Validate())
		}
		if asked.Robot != "" {
			require.NoError(t, subject.ValidateName(subject.FoldName(asked.Robot)))
		}
	})
}

func TestSessionsAndRevocationsAreCounted(t *testing.T) {
	f, i := withIssuer(t)
	got := f.exchanged(exchange(f, jobToken(t, i))).AccessToken
	f.answer(f.get("ci:"+jobToken(t, i), "service="+service, "offline_token=true"))
	f.token(f.get("ci:"+jobToken(t, i), "service="+service))
	revoked(f, "token="+got)
	revoked(f, "token="+got)
	registry := prometheus.NewRegistry()
	registry.MustRegister(f.server.config.Metrics.Collectors()...)
	families, err := registry.Gather()
	require.NoError(t, err)
	counted := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			counted[name] = m.GetCounter().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"dockit_sessions_started_total github access": 1, "dockit_sessions_started_total github refresh": 1,
		"dockit_token_revocations_total ended": 1, "dockit_token_revocations_total unknown": 1,
	} {
		assert.InDelta(t, want, counted[name], 0, name)
	}
}
