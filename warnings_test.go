package dockit

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy/forwardauth"
)

// Credentials that docker sends are Dockit's. What asks for others before it
// refuses them.
func TestWarningOfAuthenticationBefore(t *testing.T) {
	const (
		basic   = "basic_auth%s {\n bob $2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC\n}\n"
		forward = "forward_auth%s auth:9091 {\n uri /verify\n}\n"
	)
	with := func(block, matcher string) string { return strings.Replace(block, "%s", matcher, 1) }
	for name, tc := range map[string]struct {
		site string
		want []string // what is warned of, and a path
	}{
		"none":                      {"dockit\nreverse_proxy registry:5000", nil},
		"basic_auth":                {with(basic, "") + "dockit\nreverse_proxy registry:5000", []string{"basic_auth", "/v2/token"}},
		"forward_auth":              {with(forward, "") + "dockit", []string{"forward_auth", "/v2/token"}},
		"both":                      {with(basic, "") + with(forward, "") + "dockit", []string{"basic_auth", "forward_auth"}},
		"on other paths":            {with(basic, " /private/*") + "dockit", nil},
		"on the registry's paths":   {with(basic, " /v2/*") + "dockit", []string{"basic_auth", "/v2/certs/pem"}},
		"on all but Dockit's":       {"@other not path /v2/* /dockit/* /healthz /readyz\n" + with(basic, " @other") + "dockit", nil},
		"for some addresses":        {"@outside not remote_ip private_ranges\n" + with(basic, " @outside") + "dockit", []string{"basic_auth"}},
		"where dockit has no paths": {with(basic, " /dockit/*") + "dockit token", nil},
		"where dockit has its own":  {with(basic, " /dockit/*") + "dockit admin", []string{"/dockit/api/v1/users"}},
		"route, before":             {"route {\n" + with(basic, "") + "dockit\n}", []string{"basic_auth"}},
		"route, after":              {"route {\ndockit\n" + with(basic, "") + "reverse_proxy registry:5000\n}", nil},
		"around a handle":           {with(basic, "") + "handle /v2/* {\ndockit\n}", []string{"basic_auth"}},
		"another handle":            {"handle /v2/token {\n" + with(basic, "") + "respond ok\n}\nhandle {\ndockit\n}", nil},
		"a snippet":                 {"import auth\ndockit", []string{"basic_auth"}},
		"a named route":             {"invoke auth\nroute {\ndockit\n}", []string{"basic_auth"}},
		"an error page of a proxy":  {"dockit\nreverse_proxy registry:5000 {\n@e status 500\nhandle_response @e {\nrespond sorry\n}\n}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			validate(t, "{\n admin off\n skip_install_trust\n local_certs\n log {\n output file "+log+"\n level WARN\n}\n"+
				"dockit {\n database sqlite "+filepath.Join(t.TempDir(), "a")+"\n}\n}\n"+
				"(auth) {\n"+with(basic, "")+"}\n&(auth) {\n"+with(basic, "")+"}\n"+
				"a.example.com {\n"+tc.site+"\n}\nb.example.com {\n"+with(basic, "")+"respond ok\n}\n")
			logged, err := os.ReadFile(log)
			require.NoError(t, err)
			warned, warnings := "", 0
			for line := range strings.Lines(string(logged)) {
				if strings.Contains(line, "another authentication comes before") {
					warned, warnings = warned+line, warnings+1
				}
			}
			if tc.want == nil {
				assert.Empty(t, warned, "warned")
			}
			for _, s := range tc.want {
				assert.Contains(t, warned, s)
			}
			assert.LessOrEqual(t, warnings, 2)
		})
	}
}

// A Caddy that is built with Dockit opens its admin endpoint by itself, and
// a client that reaches that can become an admin.
func TestWarningOfTheAdminEndpoint(t *testing.T) {
	defaultListen := caddy.DefaultAdminListen
	t.Setenv("DOCKIT_TEST_ADMIN", "unix//run/caddy.sock")
	for name, tc := range map[string]struct {
		option, standard string
		warning          string
	}{
		"nothing said":       {"", defaultListen, `"admin_endpoint":"localhost:2019"`},
		"CADDY_ADMIN":        {"", "10.0.0.1:2020", `"admin_endpoint":"10.0.0.1:2020"`},
		"CADDY_ADMIN socket": {"", "unix//run/caddy.sock", ""},
		"only persist":       {"persist_config off", defaultListen, `"admin_endpoint":"localhost:2019"`},
		"off":                {"admin off", defaultListen, ""},
		"socket":             {"admin unix//run/caddy.sock", defaultListen, ""},
		"placeholder":        {"admin {env.DOCKIT_TEST_ADMIN}", defaultListen, ""},
		"TCP":                {"admin :2020", defaultListen, `"admin_endpoint":":2020"`},
		"TCP with origins":   {"admin {\n origins example.com\n}", defaultListen, `"admin_endpoint":"localhost:2019"`},
	} {
		t.Run(name, func(t *testing.T) {
			caddy.DefaultAdminListen = tc.standard
			defer func() { caddy.DefaultAdminListen = defaultListen }()
			dir := t.TempDir()
			log := filepath.Join(dir, "log")
			validate(t, "{\n"+tc.option+"\nlog {\n output file "+log+"\n}\ndockit {\n database sqlite "+filepath.Join(dir, "a")+"\n}\n}\n:0 {\n dockit\n}\n:1 {\n dockit\n}\n")
			logged, err := os.ReadFile(log)
			require.NoError(t, err)
			warnings := strings.Count(string(logged), "admin endpoint is open")
			switch {
			case tc.warning == "" && warnings > 0:
				t.Errorf("warned:\n%s", logged)
			case tc.warning != "" && (warnings != 1 || !strings.Contains(string(logged), tc.warning)):
				t.Errorf("%d warnings, none of which says %s:\n%s", warnings, tc.warning, logged)
			}
		})
	}
}

// validate provisions a Caddyfile as `caddy validate` does.
func validate(t *testing.T, caddyfile string) {
	t.Helper()
	var config *caddy.Config
	require.NoError(t, json.Unmarshal(adapt(t, "Caddyfile", caddyfile), &config))
	require.NoError(t, caddy.Validate(config))
}
