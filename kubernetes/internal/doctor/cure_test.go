package doctor

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/httpclient"
	"github.com/dockit-registry/dockit/internal/tokenexchange"
)

const (
	wantsBinding = "dockit rbac binding add NAME --issuer ISSUER --robot robot:NAME --claim kubernetes.io/namespace=team-a --claim kubernetes.io/serviceaccount/name=app"
	wantsServer  = "name the address of Dockit with --server"
)

// pulled is what is said when Dockit is at a URL.
func pulled(t *testing.T, server, robot string) string {
	t.Helper()
	at, err := url.Parse(server)
	require.NoError(t, err)
	c, said := command{namespace: "team-a", account: "app", audience: "prod"}, bytes.Buffer{}
	r := &report{w: &said}
	c.checkPull(t.Context(), r, httpclient.New(httpclient.Options{Timeout: 10 * time.Second}), at, "registry.test",
		tokenexchange.Request{Token: "e30.e30.e30", Service: "registry.test", Robot: robot}, "team-a/app")
	assert.Equal(t, 1, r.broken, said.String())
	require.Contains(t, said.String(), "missing  Dockit takes the token: ")
	return said.String()
}

// TestCures guards that each refusal of Dockit leads to the command that mends it, by what kind of refusal it is.
func TestCures(t *testing.T) {
	const refused = "the token of the issuer https://a.test/service/audit-stand is refused: "
	for name, test := range map[string]struct {
		status            int
		code, said, robot string
		cure              string
	}{
		"the issuer":   {400, "invalid_request", "the subject_token is no token of an issuer that is trusted here: check which one is sent", "", "dockit-kubernetes trust NAME     # issuer"},
		"its keys":     {400, "invalid_request", refused + `its key "b" is not known here; a key that is new`, "", "dockit rbac issuer refresh NAME     # where Dockit reads its keys itself: says why it gets none\ndockit-kubernetes trust NAME     # keys"},
		"the audience": {400, "invalid_request", refused + `token is for another audience: its aud has "prod"; ask for a token with "registry.test" alone`, "", "dockit-kubernetes trust NAME --audience prod"},
		"no binding":   {400, "invalid_request", "the token is right, but no token of the issuer https://a.test stands for any robot here", "", wantsBinding},
		"a condition":  {400, "invalid_request", `the token is right, but does not stand for any robot here: its kubernetes.io/namespace is "team-a"`, "", wantsBinding},
		"early":        {400, "invalid_request", refused + "its time comes at 2026-01-01T00:10:00Z, and it is 2026-01-01T00:00:00Z here; compare the clocks", "", "clocks of the API server and of Dockit"},
		"late":         {400, "invalid_request", refused + "its time was over at 2026-01-01T00:10:00Z, and it is 2026-01-01T01:00:00Z here; ask for a fresh one", "", "clocks of the API server and of Dockit"},
		"disabled":     {400, "invalid_request", "the token is right, but the robot that it stands for cannot log in at the moment: ask who runs this Dockit", "ci", "dockit rbac enable robot:ci"},
		"a signature":  {400, "invalid_request", refused + "signature", "", "dockit rbac issuer try"},
		"the service":  {400, "invalid_target", `unknown service "registry.test": it is the one in the challenge`, "", "REGISTRY_AUTH_TOKEN_SERVICE"},
		"the robot":    {400, "invalid_target", "the token is right, but no token of the issuer https://service.test stands for that robot", "ci", "--robot robot:ci --claim kubernetes.io/namespace=team-a"},
		"slow down":    {429, "", "", "", "slows this address down"},
		"the database": {503, "temporarily_unavailable", "the database of this service does not answer", "", "look at the log of Dockit, and at its /readyz"},
		"a proxy":      {502, "", "", "", "look at the log of Dockit"},
		"no exchange":  {400, "unsupported_grant_type", "the grant type is not supported by this service", "", wantsServer},
		"a page":       {404, "", "", "", wantsServer},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(test.status)
				if test.code != "" {
					assert.NoError(t, json.NewEncoder(w).Encode(map[string]string{"error": test.code, "error_description": test.said}))
				}
			}))
			defer server.Close()
			_, cure, _ := strings.Cut(pulled(t, server.URL+"/service", test.robot), "\n")
			assert.Contains(t, cure, test.cure)
		})
	}
}

// TestCuresOfConnections guards that where nobody answers, or nobody knows who, nothing is said of issuers or services, whatever the URL is.
func TestCuresOfConnections(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, test := range map[string]struct{ server, cure string }{
		"nobody there":         {gone.URL, "it cannot be reached from here: see whether it runs"},
		"no TLS":               {strings.Replace(plain.URL, "http:", "https:", 1), "nothing there speaks TLS as it should: " + wantsServer},
		"an unknown authority": {secure.URL, "give --ca-file the authority that signed its certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			said := pulled(t, test.server+"/service/stand/aud", "")
			assert.Contains(t, said, test.cure)
			for _, wrong := range []string{"issuer try", "REGISTRY_AUTH_TOKEN_SERVICE", "binding add"} {
				assert.NotContains(t, said, wrong)
			}
		})
	}
	t.Run("another name", func(t *testing.T) {
		client := secure.Client()
		at, err := url.Parse(strings.Replace(secure.URL, "127.0.0.1", "localhost", 1))
		require.NoError(t, err)
		_, err = client.Get(at.String())
		require.Error(t, err)
		assert.Contains(t, connectionCure(err, wantsServer), "its certificate is for other names: "+wantsServer)
	})
	t.Run("the registry", func(t *testing.T) {
		var said bytes.Buffer
		assert.Empty(t, checkRegistry(t.Context(), &report{w: &said}, &http.Client{}, strings.TrimPrefix(gone.URL, "http://")))
		assert.Contains(t, said.String(), "it cannot be reached from here")
		assert.Contains(t, said.String(), "the pod's node has to reach it as well")
	})
}
