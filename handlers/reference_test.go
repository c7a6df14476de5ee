package handlers

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/referencetest"
)

// describedEndpoint is an endpoint as its page has it.
type describedEndpoint struct {
	path, methods, summary string
	// query and form are the parameters by GET and by POST, each with what it is.
	query, form map[string]string
	// answers are the status codes, each with what it means.
	answers [][2]string
}

// common are the parameters of GET and POST.
var common = map[string]string{
	"service": "Name of the registry, which it has as `REGISTRY_AUTH_TOKEN_SERVICE`. Required, once.",
	"scope": "What the token is for, as `repository:team/app:pull,push`; repeatable, and several in one value with spaces between them; at most 64. " +
		"Without any, only the credentials are checked. What is not permitted is left out of the token.",
	"client_id": "What the program calls itself, for the list of docker logins.",
}

// described are the endpoints but for the admin API, which has an OpenAPI document.
var described = []describedEndpoint{
	{
		path: tokenPath, methods: "GET, POST",
		summary: "Issues registry tokens. GET takes credentials as HTTP Basic, or none for an anonymous request; POST is OAuth 2 with everything in a form in the body. " +
			"The answer is JSON: `token` and `access_token` (the same), `expires_in`, `issued_at`; `refresh_token` when one was asked for; by POST also `scope`. " +
			"A token exchange (RFC 8693) answers `access_token`, a password that ends with the session, `username`, `issued_token_type`, `token_type` (`N_A`), `expires_in`.",
		query: with(common, map[string]string{
			"offline_token": "`true`: also a refresh token, where they are on, and always for the token of a trusted issuer.",
		}),
		form: with(common, map[string]string{
			"grant_type": "`password`, `refresh_token`, or `" + grantExchange + "`, to which the fields from `subject_token` on belong. " +
				"Required.",
			"username":      "With `password`.",
			"password":      "With `password`: a password, an access token of the user or robot, or the token of a trusted issuer.",
			"refresh_token": "With `refresh_token`.",
			"access_type":   "`offline`: also a refresh token, where they are on, and always for the token of a trusted issuer.",

			"subject_token":        "The token that a trusted issuer signed. Required.",
			"subject_token_type":   "`" + typeJWT + "` or `" + typeIDToken + "`. Required.",
			"requested_token_type": "`" + typeAccessToken + "`, or left out.",
			"audience":             "Name of the registry, as `service` is. Required, once.",
			"resource":             "Name of the robot, where the token stands for more than one.",
			"actor_token":          "Not supported: refused.",
			"actor_token_type":     "Not supported: refused.",
		}),
		answers: [][2]string{
			{"200", "A token. It holds what was asked for and is permitted, which may be nothing."},
			{"400", "`invalid_request`: a parameter is missing, malformed or given twice, nobody configured this service, or the `subject_token` is refused. `invalid_target`: unknown `audience` or `resource`. `unsupported_grant_type`. `invalid_grant`: the refresh token is not valid any more."},
			{"401", "`invalid_grant`: wrong credentials, none where they are needed, or a lockout. (Never 429: clients misread it.)"},
			{"405", "Another method."},
			{"500", "`server_error`: see the log of Dockit."},
			{"503", "`temporarily_unavailable`, with `Retry-After`: too many logins at once, or the database does not answer and memory does not know who asks."},
		},
	},
	{
		path: revokePath, methods: "POST",
		summary: "Ends a session or a docker login by its token (RFC 7009). A `token_type_hint` is not needed.",
		form: map[string]string{
			"token":     "A refresh token, or the password of a token exchange. Required.",
			"client_id": common["client_id"],
		},
		answers: [][2]string{
			{"200", "The token is not good any more, or never was."},
			{"400", "`invalid_request`: the token is missing or given twice. `unsupported_token_type`: a registry token, or an access token, which its owner or an admin revokes."},
			{"405", "Another method."},
			{"503", "`temporarily_unavailable`, with `Retry-After`: the database takes no changes, and the token is still good."},
		},
	},
	{
		path: pemPath, methods: "GET, HEAD", summary: "The certificates that registries must trust, as PEM: their `REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE`. With an `ETag`.",
		query: ofService, answers: trust,
	},
	{
		path: jwksPath, methods: "GET, HEAD", summary: "The keys that tokens may be signed with, as a JWK set (RFC 7517): a registry's `REGISTRY_AUTH_TOKEN_JWKS`. With an `ETag`.",
		query: ofService, answers: trust,
	},
	{
		path: jwsPath, methods: "GET, HEAD", summary: "Both of the above as a JWS, signed with the keys that registries trust already. `init-container` checks new certificates by it.",
		query: ofService, answers: append(slices.Clone(trust), [2]string{"503", "No key can sign."}),
	},
	{
		path: healthPath, methods: "GET, HEAD", summary: "Whether the process answers.",
		answers: [][2]string{{"200", "It does."}},
	},
	{
		path: readyPath, methods: "GET, HEAD", summary: "What this node can do, as JSON: `status` (`ready`, `degraded`, `not ready`), `issue`, `change`, and where there is something to say `reason`, `until`, `clock_skew_seconds`, `issuers_away`.",
		query:   map[string]string{"can": "`issue` (the default) or `change`: what the status code is about."},
		answers: [][2]string{{"200", "It can."}, {"400", "Another value of `can`."}, {"503", "It cannot."}},
	},
}

var (
	ofService = map[string]string{"service": "Name of a service with a key of its own (profile `zot`). Default: what all others share."}
	trust     = [][2]string{{"200", "What is asked for."}, {"304", "It is what `If-None-Match` names."}, {"400", "Nobody configured this service."}}
)

func with(some, more map[string]string) map[string]string {
	all := maps.Clone(some)
	maps.Copy(all, more)
	return all
}

// TestReferenceOfEndpoints writes down each endpoint, and asks it whether that is true.
func TestReferenceOfEndpoints(t *testing.T) {
	f := newFixture(t)
	groupNames := make(map[Endpoints]string, len(endpointNames))
	for name, group := range endpointNames {
		groupNames[group] = name
	}
	var page strings.Builder
	page.WriteString("The admin API stands on [a page of its own](admin-api.md), and [the page for people](../page.md) is whatever else begins with `" + pagePath + "` (group `ui`). " +
		"What a Caddyfile calls a group is named beside each path.\n\n")
	page.WriteString("Errors of these endpoints are JSON, as OAuth 2 has them and as registries have them: `error`, `error_description`, `errors`.\n")
	paths := make([]string, 0, len(described))
	for _, e := range described {
		paths = append(paths, e.path)
		assert.Equal(t, e.methods, allowed(t, f, e.path), e.path)
		page.WriteString("\n## " + e.path + "\n\n`" + e.methods + "`, group `" + groupNames[groups[e.path]] + "`. " + e.summary + "\n")
		for _, of := range []struct {
			name       string
			parameters map[string]string
		}{{"parameter of the query", e.query}, {"field of the form (POST)", e.form}} {
			if len(of.parameters) == 0 {
				continue
			}
			page.WriteString("\n" + referencetest.Head(of.name, "what it is"))
			for _, name := range slices.Sorted(maps.Keys(of.parameters)) {
				page.WriteString(referencetest.Row("`"+name+"`", of.parameters[name]))
			}
		}
		page.WriteString("\n" + referencetest.Head("status", "when"))
		for _, answer := range e.answers {
			page.WriteString(referencetest.Row(answer[0], answer[1]))
		}
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(groups)), paths, "describe every endpoint, once")
	referencetest.Check(t, "..", "endpoints.md", "Endpoints", page.String())
}

// allowed is what an endpoint says that it answers, when it is asked otherwise.
func allowed(t *testing.T, f *fixture, path string) string {
	t.Helper()
	w := httptest.NewRecorder()
	route, found := AllEndpoints.Route(path)
	require.True(t, found, path)
	f.server.Handler(route).ServeHTTP(w, httptest.NewRequest(http.MethodDelete, path, nil))
	assert.Equal(t, http.StatusMethodNotAllowed, w.Code, path)
	return w.Header().Get("Allow")
}

// TestReferenceOfParameters finds every parameter that the code reads in the page.
func TestReferenceOfParameters(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	reads := regexp.MustCompile(`\.(?:first|all|count)\("(\w+)"\)|Query\(\)\.Get\("(\w+)"\)|\{"(\w+)", &given\.`)
	read := make(map[string]bool)
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		content, err := os.ReadFile(source)
		require.NoError(t, err)
		for _, match := range reads.FindAllStringSubmatch(string(content), -1) {
			read[match[1]+match[2]+match[3]] = true
		}
	}
	written := make(map[string]bool)
	for _, e := range described {
		for _, parameters := range []map[string]string{e.query, e.form} {
			for name := range parameters {
				written[name] = true
			}
		}
	}
	assert.Equal(t, slices.Sorted(maps.Keys(read)), slices.Sorted(maps.Keys(written)))
}
