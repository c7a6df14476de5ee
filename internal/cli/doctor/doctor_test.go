package doctor

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/cli/clitest"
)

func TestParseRegistry(t *testing.T) {
	for given, expected := range map[string]string{
		"registry.example.com":   "https://registry.example.com",
		"localhost:5000":         "http://localhost:5000",
		"http://registry:5000/":  "http://registry:5000",
		"https://host/prefix/?x": "https://host/prefix",
		// As api-server takes it, from the same variable.
		"registry=http://registry:5000":         "http://registry:5000",
		"registry.example.com=https://10.0.0.1": "https://10.0.0.1",
		"https://host/prefix?a=b":               "https://host/prefix",
	} {
		u, err := parseRegistry(given)
		require.NoError(t, err, given)
		assert.Equal(t, expected, u.String())
	}
	for _, wrong := range []string{"", "ftp://x", "https://", "https://u:secret@x", "registry=", "a=http://a:5000,b=http://b:5000"} {
		_, err := parseRegistry(wrong)
		require.Error(t, err, wrong)
		assert.NotContains(t, err.Error(), "secret")
	}
}

// patient is a registry and a Dockit that can have one illness each.
type patient struct {
	issuer *clitest.Issuer
	// kid is the key that the realm signs with.
	kid     string
	service string
	realm   string
	// Answer is what the registry does with a token.
	answer http.HandlerFunc
	ahead  time.Duration
	// autoredirect is the path of a realm that the registry makes up.
	autoredirect string
	// shared puts the realm on the registry's own host and port.
	shared bool

	doctor *doctor

	mu sync.Mutex
	// asked are the requests that the realm got, and issued the tokens that it
	// gave; shown is what the registry was shown.
	asked         []url.Values
	issued, shown []string
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	p := &patient{issuer: clitest.NewIssuer(t), kid: "current", service: "registry", answer: clitest.Answers(200, "{}")}
	realm := httptest.NewServer(p.issue(t))
	t.Cleanup(realm.Close)
	p.realm = realm.URL + "/v2/token"
	p.doctor = &doctor{
		http: http.DefaultClient,
		pki:  adminapi.PKI{Issuer: "dockit", Services: []adminapi.Service{{Name: "registry", Profile: "x5c", Bundle: []string{"aa"}}}},
		keys: []adminapi.Key{
			{ID: "ca", Purpose: "authority", State: "active", Fingerprint: "aa", CreatedAt: time.Now()},
			{ID: "current", Purpose: "shared", State: "active"},
		},
	}
	return p
}

// issue is what the realm does.
func (p *patient) issue(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		assert.Empty(t, r.Header.Get("Authorization"), "no credentials leave for a realm")
		if r.URL.Query().Get("service") != "registry" {
			clitest.Answers(400, "{}")(w, r)
			return
		}
		token := p.issuer.Token(t, p.kid, true, nil)
		p.mu.Lock()
		p.asked, p.issued = append(p.asked, r.URL.Query()), append(p.issued, token)
		p.mu.Unlock()
		fmt.Fprintf(w, `{"token":%q}`, token)
	}
}

// examined returns the findings of the registry.
func (p *patient) examined(t *testing.T) findings {
	t.Helper()
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(p.ahead).UTC().Format(http.TimeFormat))
		if p.shared && r.URL.Path == "/v2/token" {
			p.issue(t)(w, r)
			return
		}
		if given := r.Header.Get("Authorization"); given != "" {
			p.mu.Lock()
			p.shown = append(p.shown, given)
			p.mu.Unlock()
			p.answer(w, r)
			return
		}
		realm := p.realm
		switch {
		case p.autoredirect != "":
			realm = "https://" + r.Host + p.autoredirect
		case p.shared:
			realm = "http://" + r.Host + "/v2/token"
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service=%q`, realm, p.service))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(registry.Close)
	if p.doctor.registry == nil {
		var err error
		p.doctor.registry, err = parseRegistry(registry.URL)
		require.NoError(t, err)
	}
	p.doctor.findings = findings{OK: true}
	p.doctor.examine(t.Context())
	return p.doctor.findings
}

func refuses(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="x",service="registry",error="invalid_token"`)
	w.WriteHeader(http.StatusUnauthorized)
}

func TestDoctorFindsNothing(t *testing.T) {
	// What is examined, in this order.
	checks := []string{"clocks", "registry", "service", "realm", "token"}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		shared bool
		// possible are checks that are right for some clients only.
		possible []string
	}{
		"accepted": {answer: clitest.Answers(200, "{}"), shared: true},
		"accepted but for its rights": {shared: true, answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="x",error="insufficient_scope"`)
			w.WriteHeader(http.StatusUnauthorized)
		}},
		"accepted and forbidden": {answer: clitest.Answers(403, "{}"), shared: true},
		// Both are on one address, and not on one port.
		"accepted, and no cache of it would be": {answer: clitest.Answers(200, "{}"), possible: []string{"caches"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			p.answer, p.shared = c.answer, c.shared
			f := p.examined(t)
			assert.True(t, f.OK, "%+v", f)
			var right, possible []string
			for _, found := range f.Findings {
				switch {
				case found.OK:
					right = append(right, found.Check)
				case found.Possible:
					possible = append(possible, found.Check)
				default:
					t.Errorf("wrong: %+v", found)
				}
			}
			assert.Equal(t, checks, right)
			assert.Equal(t, c.possible, possible)

			// It has tried what it says: the token that the realm gave, which opens nothing.
			require.Len(t, p.issued, 1)
			assert.Equal(t, []string{"Bearer " + p.issued[0]}, p.shown)
			assert.Equal(t, []url.Values{{"service": {"registry"}, "scope": {probeScope}}}, p.asked)

			var out strings.Builder
			require.NoError(t, printFindings(&cli.Printer{Out: &out, Format: cli.FormatTable, Quiet: true}, f), "the exit code is 0")
			assert.Equal(t, len(c.possible), strings.Count(out.String(), "\n"), out.String())
			assert.NotContains(t, out.String(), "WRONG")
		})
	}
}

func TestDoctorFinds(t *testing.T) {
	const closed = "http://127.0.0.1:1" // where nobody listens, and nobody begins to
	fetched := func(t *testing.T, i *clitest.Issuer, path string) string {
		t.Helper()
		response, err := http.Get(i.URL + path)
		require.NoError(t, err)
		defer response.Body.Close()
		path = filepath.Join(t.TempDir(), "trust")
		file, err := os.Create(path)
		require.NoError(t, err)
		_, err = file.ReadFrom(response.Body)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		return path
	}
	bundle := func(t *testing.T, i *clitest.Issuer) string { return fetched(t, i, "/v2/certs/pem") }
	keySet := func(t *testing.T, i *clitest.Issuer) string { return fetched(t, i, "/v2/certs/jwks") }
	for name, c := range map[string]struct {
		ill  func(*testing.T, *patient)
		says []string
	}{
		"an unreachable registry": {func(t *testing.T, p *patient) {
			var err error
			p.doctor.registry, err = parseRegistry(closed)
			require.NoError(t, err)
		}, []string{"registry: " + closed + " cannot be reached"}},
		"an unreachable realm": {
			func(_ *testing.T, p *patient) { p.realm = closed + "/v2/token" },
			[]string{"realm: " + closed + "/v2/token cannot be reached from here", "REGISTRY_AUTH_TOKEN_REALM"},
		},
		"a realm that is none": {func(_ *testing.T, p *patient) { p.realm = "auth" }, []string{`realm: "auth" is no URL`}},
		"a realm of another path": {
			func(_ *testing.T, p *patient) { p.realm = p.issuer.URL + "/v2/certs/pem" },
			[]string{"answers something else than a token"},
		},
		"another token server": {func(_ *testing.T, p *patient) { p.kid = "foreign" }, []string{"leads to another token server", `issuer "dockit"`}},
		"an unknown service":   {func(_ *testing.T, p *patient) { p.service = "other" }, []string{`service: unknown service "other": this Dockit has registry`}},
		"a clock ahead":        {func(_ *testing.T, p *patient) { p.ahead = 5 * time.Minute }, []string{"clocks: the registry's is 5m", "ahead"}},
		"a clock behind": {
			func(_ *testing.T, p *patient) { p.ahead, p.answer = -2*time.Minute, refuses },
			[]string{"clocks: the registry's is ", "behind", "token: the registry refuses one of this Dockit (invalid_token)"},
		},
		"a wrong issuer, for certain": {
			func(_ *testing.T, p *patient) { p.answer, p.doctor.issuer = refuses, "other" },
			[]string{`issuer: wrong issuer: the registry has "other", and Dockit is "dockit"`},
		},
		"a wrong issuer, likely": {
			func(_ *testing.T, p *patient) { p.answer = refuses },
			[]string{
				`cause: wrong issuer: REGISTRY_AUTH_TOKEN_ISSUER at the registry must be "dockit"`, "cause: bundle from elsewhere",
				`cause: the registry has REGISTRY_AUTH_TOKEN_JWKS without REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE`, `give the service "registry" the profile jwks`,
				"cause: signingalgorithms at the registry does not name ES256",
			},
		},
		"an old bundle, likely": {func(_ *testing.T, p *patient) {
			p.answer = refuses
			p.doctor.keys = append(p.doctor.keys, adminapi.Key{Purpose: "authority", State: "retired"})
		}, []string{"cause: bundle older than the certificate authority in use", "cause: wrong issuer"}},
		"an old bundle, for certain": {func(t *testing.T, p *patient) {
			p.answer, p.doctor.bundle = refuses, bundle(t, clitest.NewIssuer(t))
		}, []string{"bundle: ", "it is older than the key or certificate authority in use"}},
		"a registry that was not restarted": {func(t *testing.T, p *patient) {
			p.answer, p.doctor.bundle, p.doctor.issuer = refuses, bundle(t, p.issuer), "dockit"
		}, []string{"so restart it", "signingalgorithms at the registry does not name ES256"}},
		"a key set for tokens with a certificate": {func(t *testing.T, p *patient) {
			p.answer, p.doctor.bundle, p.doctor.issuer = refuses, keySet(t, p.issuer), "dockit"
		}, []string{"bundle: ", "it is a JWK set, and Dockit's tokens carry a certificate", `give the service "registry" the profile jwks`}},
		"a bundle for tokens without a certificate": {func(t *testing.T, p *patient) {
			p.answer, p.doctor.bundle, p.doctor.issuer = refuses, bundle(t, p.issuer), "dockit"
			p.doctor.pki.Services[0].Profile = "jwks"
		}, []string{"so restart it", "version 2.8, which refuses tokens that name their key by its ID alone", `give the service "registry" the profile x5c`}},
		"a realm that the registry makes up": {
			func(_ *testing.T, p *patient) { p.autoredirect = "/auth/token" },
			[]string{"/auth/token is the registry's own address", "autoredirect is on", "REGISTRY_AUTH_TOKEN_AUTOREDIRECT off", "REGISTRY_AUTH_TOKEN_AUTOREDIRECTPATH to /v2/token"},
		},
		"a made up realm of a registry without TLS": {
			func(_ *testing.T, p *patient) { p.autoredirect = "/v2/token" },
			[]string{"/v2/token is the registry's own address", "unless a proxy in front sends X-Forwarded-Proto"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			c.ill(t, p)
			f := p.examined(t)
			assert.False(t, f.OK)
			var text strings.Builder
			for _, found := range f.Findings {
				if !found.OK {
					fmt.Fprintf(&text, "%s: %s\n", found.Check, found.Message)
				}
			}
			from := 0
			for _, says := range c.says {
				at := strings.Index(text.String()[from:], says)
				require.GreaterOrEqual(t, at, 0, "%q is not said, or too early, in:\n%s", says, text.String())
				from += at
			}
		})
	}
}

// Of several possible causes none is called wrong: it is one of them.
func TestDoctorIsCertainOfWhatItKnows(t *testing.T) {
	for name, c := range map[string]struct {
		ill   func(*patient)
		wrong []string
	}{
		"nothing is known":     {func(*patient) {}, []string{"token"}},
		"the issuer is wrong":  {func(p *patient) { p.doctor.issuer = "other" }, []string{"token", "issuer"}},
		"the issuer is right":  {func(p *patient) { p.doctor.issuer = "dockit" }, []string{"token"}},
		"the authority is new": {func(p *patient) { p.doctor.keys[0].State, p.doctor.keys[0].Purpose = "retired", "authority" }, []string{"token"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			p.answer = refuses
			c.ill(p)
			var wrong []string
			possible := 0
			for _, found := range p.examined(t).Findings {
				switch {
				case found.Possible:
					assert.False(t, found.OK)
					possible++
				case !found.OK:
					wrong = append(wrong, found.Check)
				}
			}
			assert.Equal(t, c.wrong, wrong)
			assert.Equal(t, len(c.wrong) == 1, possible > 2, "%d possible causes", possible)
		})
	}
}

// What a pull-through cache by distribution 3.1.2 makes of a realm.
func TestCacheAnswers(t *testing.T) {
	for _, c := range []struct {
		registry, realm string
		want            bool
	}{
		{"https://registry.example.com", "https://registry.example.com/v2/token", true},
		{"https://registry.example.com", "https://auth.example.com/v2/token", true},
		{"https://registry.example.com", "http://AUTH.example.com:4315/v2/token", true},
		{"https://registry.example.com", "https://auth.example.org/v2/token", false},
		{"https://registry.example.co.uk", "https://auth.other.co.uk/v2/token", false},
		{"http://localhost:5000", "http://localhost:5000/v2/token", true},
		{"http://localhost:5000", "http://localhost:4315/v2/token", false},
		{"http://10.0.0.1:5000", "http://10.0.0.1:4315/v2/token", false},
		{"http://registry:5000", "http://dockit:4315/v2/token", true},
		{"http://registry:5000", "http://localhost:4315/v2/token", false},
	} {
		registry, err := url.Parse(c.registry)
		require.NoError(t, err)
		realm, err := url.Parse(c.realm)
		require.NoError(t, err)
		assert.Equal(t, c.want, cacheAnswers(registry, realm), "%s with the realm %s", c.registry, c.realm)
	}
}

func TestDoctorReadsKeySets(t *testing.T) {
	i := clitest.NewIssuer(t)
	response, err := http.Get(i.URL + "/v2/certs/jwks")
	require.NoError(t, err)
	defer response.Body.Close()
	var set any
	require.NoError(t, json.NewDecoder(response.Body).Decode(&set))
	content, err := json.Marshal(set)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "keys.json")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	d := &doctor{bundle: path}
	d.pki.Services = []adminapi.Service{{Name: "byid", Profile: "jwks"}, {Name: "registry", Profile: "x5c"}}
	require.NoError(t, d.checkFile(i.Token(t, "current", false, nil), "byid"))
	require.ErrorIs(t, d.checkFile(i.Token(t, "later", false, nil), "byid"), errStaleFile)
	require.ErrorIs(t, d.checkFile(i.Token(t, "current", true, nil), "registry"), errCarriesCertificate)
	d.bundle = filepath.Join(t.TempDir(), "missing")
	require.ErrorIs(t, d.checkFile("", "byid"), os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), 0o600))
	d.bundle = path
	require.Error(t, d.checkFile(i.Token(t, "current", false, nil), "byid"))
}

func TestClockReadings(t *testing.T) {
	second := time.Second
	for name, c := range map[string]struct {
		a, b  clockReading
		apart bool
	}{
		"equal":             {clockReading{}, clockReading{}, false},
		"within a minute":   {clockReading{ahead: 59 * second}, clockReading{}, false},
		"more":              {clockReading{ahead: 61 * second}, clockReading{}, true},
		"more, the others":  {clockReading{}, clockReading{ahead: 61 * second}, true},
		"not known exactly": {clockReading{ahead: 61 * second, fuzz: second}, clockReading{fuzz: second}, false},
	} {
		_, apart := c.a.apart(c.b)
		assert.Equal(t, c.apart, apart, name)
	}
}
