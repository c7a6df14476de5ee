package dockit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddytest"
)

// TestCaddyfileAdapt adapts testdata/*.caddyfiletest: a Caddyfile, a line of
// dashes, and the JSON that it adapts to.
func TestCaddyfileAdapt(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.caddyfiletest"))
	require.NoError(t, err, "no files")
	require.NotEmpty(t, files, "no files")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			caddyfile, expected, found := strings.Cut(string(content), "\n----------\n")
			require.True(t, found, "no line of ten dashes")
			assert.True(t, caddytest.CompareAdapt(t, file, caddyfile+"\n", "caddyfile", strings.TrimSpace(expected)))
		})
	}
}

func TestCaddyfileErrors(t *testing.T) {
	for _, tc := range []struct {
		name      string
		caddyfile string
		expected  []string
	}{
		{
			"unknown subdirective", "{\n\tdockit {\n\t\tissuer a\n\t\tdatabas sqlite a\n\t}\n}\n",
			[]string{"Caddyfile:4", `unknown dockit subdirective "databas"`},
		},
		{
			"unknown subdirective of service", "{\n\tdockit {\n\t\tservice a {\n\t\t\tprofil zot\n\t\t}\n\t}\n}\n",
			[]string{"Caddyfile:4", `unknown subdirective "profil" of service`},
		},
		{
			"unknown subdirective of pki", "{\n\tdockit {\n\t\tpki generate {\n\t\t\tkeytype ec256\n\t\t}\n\t}\n}\n",
			[]string{"Caddyfile:4", `unknown subdirective "keytype" of pki generate`},
		},
		{
			"unknown source of keys", "{\n\tdockit {\n\t\tpki acme\n\t}\n}\n",
			[]string{"Caddyfile:3", `unknown source of keys "acme"`},
		},
		{
			"block after database", "{\n\tdockit {\n\t\tdatabase sqlite a {\n\t\t\twal off\n\t\t}\n\t}\n}\n",
			[]string{"Caddyfile:4", `unknown subdirective "wal" of database: use litestream_socket`},
		},
		{
			"a registry without a scheme", "{\n\tdockit {\n\t\tservice a {\n\t\t\turl zot:5000\n\t\t}\n\t}\n}\n",
			[]string{"Caddyfile:4", "url: write where the registry is as http://host:port"},
		},
		{
			"a registry with a path", "{\n\tdockit {\n\t\tservice a {\n\t\t\turl http://zot/v2\n\t\t}\n\t}\n}\n",
			[]string{"Caddyfile:4", "without credentials and path"},
		},
		{
			"unknown profile", "{\n\tdockit {\n\t\tservice a {\n\t\t\tprofile harbor\n\t\t}\n\t}\n}\n",
			[]string{"Caddyfile:4", `"harbor": use x5c, jwks or zot`},
		},
		{
			"any origin", "{\n\tdockit {\n\t\tcors_origin *\n\t}\n}\n",
			[]string{"Caddyfile:3", "cors_origin", "https://ui.example.com"},
		},
		{
			"origin with a path", "{\n\tdockit {\n\t\tcors_origin https://ui.example.com/\n\t}\n}\n",
			[]string{"Caddyfile:3", "nothing but scheme, host and port: https://ui.example.com"},
		},
		{
			"neither on nor off", "{\n\tdockit {\n\t\trefresh_tokens yes\n\t}\n}\n",
			[]string{"Caddyfile:3", "refresh_tokens on"},
		},
		{
			"unknown subdirective of lockout", "{\n\tdockit {\n\t\tlockout {\n\t\t\tafter 10\n\t\t}\n\t}\n}\n",
			[]string{"Caddyfile:4", `unknown subdirective "after" of lockout: use ceiling, duration, failures, window`},
		},
		{
			"audit kept for hours", "{\n\tdockit {\n\t\taudit {\n\t\t\tkeep 23h\n\t\t}\n\t}\n}\n",
			[]string{"Caddyfile:4", "audit keep is 23h: at least 1d are possible, such as 365d"},
		},
		{
			"no permissions", "{\n\tdockit {\n\t\tlimits {\n\t\t\tpermissions 0\n\t\t}\n\t}\n}\n",
			[]string{"Caddyfile:4", `permissions is "0": write a number from 1`},
		},
		{
			"state too large", "{\n\tdockit {\n\t\tlimits {\n\t\t\tstate_size 2GiB\n\t\t}\n\t}\n}\n",
			[]string{"Caddyfile:4", "limits state_size: from 64 KiB to 1024 MiB are possible"},
		},
		{
			"unknown subdirective of audit", "{\n\tdockit {\n\t\taudit {\n\t\t\tcut 1d\n\t\t}\n\t}\n}\n",
			[]string{"Caddyfile:4", `unknown subdirective "cut" of audit: use keep`},
		},
		{
			"setting twice", "{\n\tdockit {\n\t\taccess_tokens {\n\t\t\tlife 1d\n\t\t\tlife 2d\n\t\t}\n\t}\n}\n",
			[]string{"Caddyfile:5", "life is given twice"},
		},
		{
			"negative duration", "{\n\tdockit {\n\t\tpasswords {\n\t\t\tremember -1m\n\t\t}\n\t}\n}\n",
			[]string{"Caddyfile:4", `remember: "-1m" is negative`},
		},
		{
			"no number", "{\n\tdockit {\n\t\tlockout {\n\t\t\tfailures few\n\t\t}\n\t}\n}\n",
			[]string{"Caddyfile:4", `failures is "few": write a number from 1`},
		},
		{
			"short life", "{\n\tdockit {\n\t\ttoken_ttl 59s\n\t}\n}\n",
			[]string{"Caddyfile:3", "token_ttl is 59s", "at least 1m"},
		},
		{
			"duration without a unit", "{\n\tdockit {\n\t\ttoken_ttl 300\n\t}\n}\n",
			[]string{"Caddyfile:3", `token_ttl: "300" has no unit: write 300s`},
		},
		{
			"two services on a line", "{\n\tdockit {\n\t\tservice a b\n\t}\n}\n",
			[]string{"Caddyfile:3", "service takes one name: write a line for each, `service a` and `service b`"},
		},
		{
			"two values", "{\n\tdockit {\n\t\tissuer a b\n\t}\n}\n",
			[]string{"Caddyfile:3", "issuer takes one value: quote one with spaces"},
		},
		{
			"no duration", "{\n\tdockit {\n\t\ttoken_ttl soon\n\t}\n}\n",
			[]string{"Caddyfile:3", "token_ttl", "soon"},
		},
		{
			"neither a duration nor off", "{\n\tdockit {\n\t\tserve_stale never\n\t}\n}\n",
			[]string{"Caddyfile:3", "serve_stale", "never"},
		},
		{
			"neither on nor off", "{\n\tdockit {\n\t\tshared_tokens maybe\n\t}\n}\n",
			[]string{"Caddyfile:3", `shared_tokens "maybe"`, "on or off"},
		},
		{
			"same service twice", "{\n\tdockit {\n\t\tservice a\n\t\tservice a\n\t}\n}\n",
			[]string{"Caddyfile:4", `service "a" is given twice`},
		},
		{
			"same subdirective twice", "{\n\tdockit {\n\t\tissuer a\n\t\tissuer b\n\t}\n}\n",
			[]string{"Caddyfile:4", "issuer is given twice"},
		},
		{
			"option twice", "{\n\tdockit\n\tdockit\n}\n",
			[]string{"Caddyfile:3", "configured twice"},
		},
		{
			"issuer without a name", "{\n\tdockit {\n\t\tissuer\n\t}\n}\n",
			[]string{"Caddyfile:3", "wrong argument count"},
		},
		{
			"too many arguments", "{\n\tdockit {\n\t\troot_user a b c\n\t}\n}\n",
			[]string{"Caddyfile:3", "write: root_user <name>"},
		},
		{
			"database without DSN", "{\n\tdockit {\n\t\tdatabase sqlite\n\t}\n}\n",
			[]string{"Caddyfile:3", "database sqlite <path>"},
		},
		{
			"unknown endpoint", ":80 {\n\tdockit tokens\n}\n",
			[]string{"Caddyfile:2", `unknown endpoint "tokens"`},
		},
		{
			"block after the handler", ":80 {\n\tdockit token {\n\t\tissuer a\n\t}\n}\n",
			[]string{"Caddyfile:3", `unknown subdirective "issuer"`},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(tc.caddyfile), map[string]any{"filename": "Caddyfile"})
			require.Error(t, err, "adapted")
			for _, expected := range tc.expected {
				assert.ErrorContains(t, err, expected)
			}
		})
	}
}
