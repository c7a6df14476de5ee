package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/cannot"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/process"
)

// prometheusProgram is prometheus or promtool.
func prometheusProgram(t *testing.T, name string) string {
	t.Helper()
	root, err := build.Root()
	require.NoError(t, err)
	program := filepath.Join(root, "bin", "prometheus", name)
	if _, err := os.Stat(program); err != nil {
		cannot.Run(t, fmt.Errorf("%s: %w: run scripts/get-prometheus bin/prometheus", name, err))
	}
	return program
}

// example is the path of a file of the examples.
func example(t *testing.T, path ...string) string {
	t.Helper()
	root, err := build.Root()
	require.NoError(t, err)
	return filepath.Join(append([]string{root, "examples"}, path...)...)
}

// TestAlerts has Prometheus itself check the alerts of the example, and fire each of them.
func TestAlerts(t *testing.T) {
	t.Parallel()
	promtool := prometheusProgram(t, "promtool")
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, {"test", "rules", "alerts_test.yml", "alerts-pull-secrets_test.yml"}} {
		command := exec.CommandContext(t.Context(), promtool, args...)
		command.Dir = example(t, "monitoring")
		out, err := command.CombinedOutput()
		require.NoError(t, err, "promtool %s: %s", strings.Join(args, " "), out)
	}
}

// TestDashboard has a real Prometheus scrape a real Dockit that was asked for something of everything. It then has data
// for each query of the dashboard, and evaluates each alert.
func TestDashboard(t *testing.T) {
	t.Parallel()
	program := prometheusProgram(t, "prometheus")
	metrics, err := port.Free(t.Context())
	require.NoError(t, err)
	target := port.Localhost(metrics)
	server := startDockit(t, dockit.Config{Args: []string{"--service", service, "--refresh-tokens", "--metrics-listen", target}})
	beBusy(t, server)
	base := startPrometheus(t, program, target)

	content, err := os.ReadFile(example(t, "monitoring", "dashboard.json"))
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(content, &dashboard))
	queries := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			queries++
			query := strings.NewReplacer("$job", "dockit", "$__rate_interval", "1m").Replace(target.Expr)
			if strings.Contains(query, "service_key_expiry") && !strings.Contains(query, " or ") {
				continue // of the profiles jwks and zot, which a Caddyfile has
			}
			assert.Eventually(t, func() bool {
				requestToken(t, server, "", "") // what is a share of nothing has no value
				return len(queryPrometheus(t, base, query)) > 0
			}, time.Minute, 500*time.Millisecond, "%s has no data: %s", panel.Title, query)
		}
	}
	assert.Greater(t, queries, 30)

	var rules struct {
		Groups []struct {
			Rules []struct{ Name, Health, State, LastError string }
		}
	}
	require.Eventually(t, func() bool {
		askPrometheus(t, base+"/api/v1/rules", &rules)
		for _, rule := range rules.Groups[0].Rules {
			if rule.Health == "unknown" {
				return false
			}
		}
		return true
	}, time.Minute, 500*time.Millisecond, "the alerts are evaluated")
	assert.Greater(t, len(rules.Groups[0].Rules), 15)
	for _, rule := range rules.Groups[0].Rules {
		assert.Equal(t, "ok", rule.Health, "%s: %s", rule.Name, rule.LastError)
	}
	require.NoError(t, server.Stop())
	require.Eventually(t, func() bool {
		return len(queryPrometheus(t, base, `ALERTS{alertname="DockitDown", job="dockit", instance="`+target+`"}`)) > 0
	}, time.Minute, 500*time.Millisecond, "nobody hears of a Dockit that is down")
}

// beBusy asks for something of everything that the dashboard shows.
func beBusy(t *testing.T, server *dockit.Server) {
	t.Helper()
	admin := server.Admin()
	_, err := admin.Run(t.Context(), "rbac", "add", "robot:ci")
	require.NoError(t, err)
	token, err := admin.Run(t.Context(), "rbac", "token", "create", "robot:ci", "--name", "deploy", "--expires", "5d", "-q")
	require.NoError(t, err)
	issuer, sign := startIssuer(t)
	_, err = admin.Run(t.Context(), "rbac", "issuer", "add", "jobs", "--url", issuer)
	require.NoError(t, err)
	_, err = admin.Run(t.Context(), "rbac", "binding", "add", "build", "--issuer", "jobs", "--robot", "robot:ci", "--claim", "sub=build")
	require.NoError(t, err)
	encode := base64.RawURLEncoding.EncodeToString
	forged := encode([]byte(`{"alg":"ES256","kid":"one"}`)) + "." + encode([]byte(`{"iss":"`+issuer+`","sub":"build"}`)) + "." + strings.Repeat("A", 86)
	now := time.Now().Unix()
	job := sign(map[string]any{"iss": issuer, "sub": "build", "aud": service, "iat": now, "exp": now + 300})
	post(t, server, "/v2/token", url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "audience": {service},
		"subject_token": {job}, "subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
	})
	post(t, server, "/v2/token/revoke", url.Values{"token": {"of-nobody"}})

	config := server.Config()
	requestToken(t, server, "ci", strings.TrimSpace(token))
	requestToken(t, server, config.RootUser, config.RootPassword)
	requestToken(t, server, "nobody", "a wrong one")
	requestToken(t, server, "ci", forged)
}

// requestToken asks for a token, and takes whatever the answer is.
func requestToken(t *testing.T, server *dockit.Server, username, password string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v2/token?service="+service+"&scope=repository:app:pull", nil)
	require.NoError(t, err)
	if username != "" {
		r.SetBasicAuth(username, password)
	}
	response, err := server.HTTPClient().Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
}

// post sends a form that has to be taken.
func post(t *testing.T, server *dockit.Server, path string, form url.Values) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := server.HTTPClient().Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode, path)
}

// startIssuer serves an issuer of OpenID Connect with one key, and returns its URL and what signs its tokens.
func startIssuer(t *testing.T) (issuerURL string, sign func(claims map[string]any) string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	point, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	encode := base64.RawURLEncoding.EncodeToString
	mux := http.NewServeMux()
	issuer := httptest.NewServer(mux)
	t.Cleanup(issuer.Close)
	answer := func(w http.ResponseWriter, body any) {
		w.Header().Set("Content-Type", "application/json")
		assert.NoError(t, json.NewEncoder(w).Encode(body))
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]string{"issuer": issuer.URL, "jwks_uri": issuer.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"keys": []any{map[string]string{
			"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "one", "x": encode(point[1:33]), "y": encode(point[33:]),
		}}})
	})
	return issuer.URL, func(claims map[string]any) string {
		payload, err := json.Marshal(claims)
		require.NoError(t, err)
		signed := encode([]byte(`{"alg":"ES256","kid":"one"}`)) + "." + encode(payload)
		digest := sha256.Sum256([]byte(signed))
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		require.NoError(t, err)
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return signed + "." + encode(signature)
	}
}

// startPrometheus runs Prometheus with the configuration of the example, but for who is scraped and how often, and
// returns its URL.
func startPrometheus(t *testing.T, program, target string) string {
	t.Helper()
	content, err := os.ReadFile(example(t, "monitoring", "prometheus.yml"))
	require.NoError(t, err)
	config := strings.NewReplacer("localhost:9100", target, "15s", "1s", "alerts.yml", example(t, "monitoring", "alerts.yml")).Replace(string(content))
	p, err := port.Free(t.Context())
	require.NoError(t, err)
	data := t.TempDir()
	prometheus, err := process.Start(process.Command{
		Name: "prometheus",
		Path: program,
		Args: []string{"--config.file=" + writeFile(t, "prometheus.yml", config), "--storage.tsdb.path=" + data, "--web.listen-address=" + port.Localhost(p)},
		Env:  dockit.Environment(data),
		Dir:  data,
	})
	require.NoError(t, err)
	stopAtEnd(t, prometheus)
	base := "http://" + port.Localhost(p)
	require.NoError(t, prometheus.WaitReady(t.Context(), http.DefaultClient, base+"/-/ready", http.StatusOK))
	return base
}

// queryPrometheus are the values that Prometheus has for a query.
func queryPrometheus(t *testing.T, base, query string) []float64 {
	t.Helper()
	var vector struct {
		Result []struct {
			Value [2]any
		}
	}
	askPrometheus(t, base+"/api/v1/query?query="+url.QueryEscape(query), &vector)
	values := make([]float64, 0, len(vector.Result))
	for _, one := range vector.Result {
		value, err := strconv.ParseFloat(one.Value[1].(string), 64)
		require.NoError(t, err)
		values = append(values, value)
	}
	return values
}

// askPrometheus reads what Prometheus answers as data.
func askPrometheus(t *testing.T, address string, data any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { assert.NoError(t, response.Body.Close()) }()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&answer))
	require.Equal(t, "success", answer.Status, "%s: %s", address, answer.Error)
}
