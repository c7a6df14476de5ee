package cli

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
)

func TestParseChallenge(t *testing.T) {
	for header, expected := range map[string]challenge{
		`Bearer realm="https://a/v2/token",service="registry",error="invalid_token"`: {"https://a/v2/token", "registry", "invalid_token"},
		`bearer service=registry , realm="https://a/?x=1,2"`:                         {"https://a/?x=1,2", "registry", ""},
		`Bearer realm="say \"hello\"",scope="a"`:                                     {`say "hello"`, "", ""},
		`Bearer realm="never closed`:                                                 {"never closed", "", ""},
		`Bearer`:                                                                     {},
	} {
		got, err := parseChallenge(header)
		require.NoError(t, err, header)
		assert.Equal(t, expected, got, header)
	}
	_, err := parseChallenge("")
	require.ErrorIs(t, err, errNoChallenge)
	_, err = parseChallenge(`Basic realm="x"`)
	require.ErrorIs(t, err, errOtherChallenge)
}

func TestParseRegistry(t *testing.T) {
	for given, expected := range map[string]string{
		"registry.example.com":   "https://registry.example.com",
		"localhost:5000":         "http://localhost:5000",
		"http://registry:5000/":  "http://registry:5000",
		"https://host/prefix/?x": "https://host/prefix",
	} {
		u, err := parseRegistry(given)
		require.NoError(t, err, given)
		assert.Equal(t, expected, u.String())
	}
	for _, wrong := range []string{"", "ftp://x", "https://", "https://u:secret@x"} {
		_, err := parseRegistry(wrong)
		require.Error(t, err, wrong)
		assert.NotContains(t, err.Error(), "secret")
	}
}

// patient is a registry and a Dockit that can have one illness each.
type patient struct {
	issuer *issuer
	// kid is the key that the realm signs with.
	kid     string
	service string
	realm   string
	// answer is what the registry does with a token.
	answer http.HandlerFunc
	ahead  time.Duration

	doctor *doctor
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	p := &patient{issuer: newIssuer(t), kid: "current", service: "registry", answer: answers(200, "{}")}
	realm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Empty(t, r.Header.Get("Authorization"), "no credentials leave for a realm")
		if r.URL.Query().Get("service") != "registry" {
			answers(400, "{}")(w, r)
			return
		}
		fmt.Fprintf(w, `{"token":%q}`, p.issuer.token(t, p.kid, true, nil))
	}))
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

// examined returns the findings of the registry.
func (p *patient) examined(t *testing.T) findings {
	t.Helper()
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(p.ahead).UTC().Format(http.TimeFormat))
		if r.Header.Get("Authorization") != "" {
			p.answer(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service=%q`, p.realm, p.service))
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
	for name, answer := range map[string]http.HandlerFunc{
		"accepted": answers(200, "{}"),
		"accepted but for its rights": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="x",error="insufficient_scope"`)
			w.WriteHeader(http.StatusUnauthorized)
		},
	} {
		p := newPatient(t)
		p.answer = answer
		f := p.examined(t)
		assert.True(t, f.OK, "%s: %+v", name, f)
		assert.Len(t, f.Findings, 5, name)
	}
}

func TestDoctorFinds(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	bundle := func(t *testing.T, i *issuer) string {
		t.Helper()
		response, err := http.Get(i.url + "/v2/certs/pem")
		require.NoError(t, err)
		defer response.Body.Close()
		path := filepath.Join(t.TempDir(), "bundle.pem")
		file, err := os.Create(path)
		require.NoError(t, err)
		_, err = file.ReadFrom(response.Body)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		return path
	}
	for name, c := range map[string]struct {
		ill  func(*testing.T, *patient)
		says []string
	}{
		"an unreachable registry": {func(t *testing.T, p *patient) {
			var err error
			p.doctor.registry, err = parseRegistry(closed.URL)
			require.NoError(t, err)
		}, []string{"registry: " + closed.URL + " cannot be reached"}},
		"an unreachable realm": {
			func(_ *testing.T, p *patient) { p.realm = closed.URL + "/v2/token" },
			[]string{"realm: " + closed.URL + "/v2/token cannot be reached from here", "REGISTRY_AUTH_TOKEN_REALM"},
		},
		"a realm that is none": {func(_ *testing.T, p *patient) { p.realm = "auth" }, []string{`realm: "auth" is no URL`}},
		"a realm of another path": {
			func(_ *testing.T, p *patient) { p.realm = p.issuer.url + "/v2/certs/pem" },
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
			[]string{`cause: wrong issuer: REGISTRY_AUTH_TOKEN_ISSUER at the registry must be "dockit"`, "cause: bundle from elsewhere"},
		},
		"an old bundle, likely": {func(_ *testing.T, p *patient) {
			p.answer = refuses
			p.doctor.keys = append(p.doctor.keys, adminapi.Key{Purpose: "authority", State: "retired"})
		}, []string{"cause: bundle older than the certificate authority in use", "cause: wrong issuer"}},
		"an old bundle, for certain": {func(t *testing.T, p *patient) {
			p.answer, p.doctor.bundle = refuses, bundle(t, newIssuer(t))
		}, []string{"bundle: ", "it is older than the key or certificate authority in use"}},
		"a registry that was not restarted": {func(t *testing.T, p *patient) {
			p.answer, p.doctor.bundle, p.doctor.issuer = refuses, bundle(t, p.issuer), "dockit"
		}, []string{"so restart it"}},
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

func TestDoctorReadsKeySets(t *testing.T) {
	i := newIssuer(t)
	response, err := http.Get(i.url + "/v2/certs/jwks")
	require.NoError(t, err)
	defer response.Body.Close()
	var set any
	require.NoError(t, json.NewDecoder(response.Body).Decode(&set))
	content, err := json.Marshal(set)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "keys.json")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	d := &doctor{bundle: path}
	require.NoError(t, d.checkFile(i.token(t, "current", false, nil)))
	require.ErrorIs(t, d.checkFile(i.token(t, "later", false, nil)), errStaleFile)
	d.bundle = filepath.Join(t.TempDir(), "missing")
	require.ErrorIs(t, d.checkFile(""), os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), 0o600))
	d.bundle = path
	require.Error(t, d.checkFile(i.token(t, "current", false, nil)))
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

func FuzzParseChallenge(f *testing.F) {
	f.Add(`Bearer realm="a",service=b,error="c\""`)
	f.Fuzz(func(t *testing.T, header string) {
		_, rest, _ := strings.Cut(header, " ")
		if n := len(slices.Collect(maps.Keys(maps.Collect(parameters(rest))))); n > len(rest) {
			t.Error("more parameters than bytes")
		}
		_, _ = parseChallenge(header)
	})
}
