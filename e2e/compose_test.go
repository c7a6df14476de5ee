package e2e

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/e2e/internal/cannot"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/mariadb"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// composition is what the test reads of a Compose file. Keys that it does not know are errors, so that what is added
// to the example is looked at here too.
type composition struct {
	Name     string                    `yaml:"name"`
	Services map[string]composeService `yaml:"services"`
	Volumes  map[string]any            `yaml:"volumes"`
}

type composeService struct {
	Build           string            `yaml:"build"`
	Image           string            `yaml:"image"`
	Command         []string          `yaml:"command"`
	Environment     map[string]string `yaml:"environment"`
	Ports           []string          `yaml:"ports"`
	Volumes         []string          `yaml:"volumes"`
	ReadOnly        bool              `yaml:"read_only"`
	CapDrop         []string          `yaml:"cap_drop"`
	SecurityOpt     []string          `yaml:"security_opt"`
	StopGracePeriod string            `yaml:"stop_grace_period"`
	Restart         string            `yaml:"restart"`
	NetworkMode     string            `yaml:"network_mode"`
	Sysctls         map[string]string `yaml:"sysctls"`
	Networks        map[string]struct {
		Aliases []string `yaml:"aliases"`
	} `yaml:"networks"`
	Healthcheck struct {
		Test        []string      `yaml:"test"`
		Interval    time.Duration `yaml:"interval"`
		Timeout     time.Duration `yaml:"timeout"`
		StartPeriod time.Duration `yaml:"start_period"`
		Disable     bool          `yaml:"disable"`
	} `yaml:"healthcheck"`
	DependsOn map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
}

func TestComposeExample(t *testing.T) {
	t.Parallel()
	c := readComposition(t, "compose")
	server, init, protected := c.Services["dockit"], c.Services["init-container"], c.Services["registry"]

	t.Run("commands and variables are Dockit's", func(t *testing.T) {
		for _, s := range []composeService{server, init} {
			requireFlags(t, s)
		}
	})
	t.Run("the server starts with its variables", func(t *testing.T) {
		p, err := port.Free(t.Context())
		require.NoError(t, err)
		require.Equal(t, "registry=http://registry:5000", server.Environment["DOCKIT_REGISTRY"])
		require.Contains(t, protected.Ports, "127.0.0.1:5000:5000")
		var env []string
		for name, value := range server.Environment {
			env = append(env, name+"="+strings.Replace(value, "http://registry:5000", "http://"+port.Localhost(p), 1))
		}
		s := startDockit(t, dockit.Config{Args: server.Command[1:], Env: env})
		get(t, s.URL+"/v2/token?service="+protected.Environment["REGISTRY_AUTH_TOKEN_SERVICE"]+"&scope=repository:a:pull")

		// What the container is asked for is a command of the binary, for there is nothing else in the image.
		require.Equal(t, []string{"CMD", "dockit", "health"}, server.Healthcheck.Test)
		ready, err := s.Admin().Run(t.Context(), server.Healthcheck.Test[2:]...)
		require.NoError(t, err)
		require.Equal(t, "ready\n", ready)
		require.Equal(t, "service_healthy", init.DependsOn["dockit"].Condition)

		// init-container writes where the registry reads, by way of the volume certs.
		bundle := filepath.Join(t.TempDir(), filepath.Base(init.Command[1]))
		_, err = s.Admin().Run(t.Context(), init.Command[0], bundle)
		require.NoError(t, err)

		// The page shows what is pushed, with the name that clients have for the registry.
		r := startRegistry(t, registry.Config{
			Binary: registryBinary(t, registry.V3), Port: p, Realm: s.URL + "/v2/token", Service: protected.Environment["REGISTRY_AUTH_TOKEN_SERVICE"], RootCertBundle: bundle,
		})
		root := rootOf(s, r)
		requirePushed(t, root, "team/app")
		require.Contains(t, browse(t, s.URL, root).get(t, "repositories/tags?name=team/app", http.StatusOK), "docker pull localhost:5000/team/app:")
	})
	t.Run("services fit together", func(t *testing.T) {
		require.Equal(t, "http://localhost:4315/v2/token", protected.Environment["REGISTRY_AUTH_TOKEN_REALM"])
		require.Equal(t, "dockit", protected.Environment["REGISTRY_AUTH_TOKEN_ISSUER"])
		// Plain HTTP does not leave the container: --base-url is http://localhost:4315 by default, and no flag lets it.
		require.Equal(t, "service:dockit", init.NetworkMode)
		require.Empty(t, init.Environment)
		require.Len(t, init.Command, 2)
		require.Contains(t, server.Ports, "127.0.0.1:4315:4315")

		written := strings.Replace(init.Command[1], mountPoint(t, init, "certs"), "", 1)
		read := strings.Replace(protected.Environment["REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE"], mountPoint(t, protected, "certs"), "", 1)
		require.Equal(t, written, read)
		require.Equal(t, "service_completed_successfully", protected.DependsOn["init-container"].Condition)
	})
	t.Run("names are defined", func(t *testing.T) {
		for name, s := range c.Services {
			for _, v := range s.Volumes {
				volume, _, _ := strings.Cut(v, ":")
				require.Contains(t, c.Volumes, volume, name)
			}
			for other := range s.DependsOn {
				require.Contains(t, c.Services, other, name)
			}
		}
	})
}

// TestComposeExampleOnOneHost has Dockit in front of the registry as the example has it, but for the certificate of a public
// authority.
func TestComposeExampleOnOneHost(t *testing.T) {
	t.Parallel()
	c := readComposition(t, "one-host")
	server, init, upstream := c.Services["dockit"], c.Services["init-container"], c.Services["registry"]
	requireFlags(t, server)
	requireFlags(t, init)
	name := server.Environment["DOCKIT_DOMAIN"]
	require.Equal(t, "https://"+name, init.Environment["DOCKIT_BASE_URL"])
	require.Equal(t, "https://"+name+"/v2/token", upstream.Environment["REGISTRY_AUTH_TOKEN_REALM"])
	require.Equal(t, server.Environment["DOCKIT_SERVICE"], upstream.Environment["REGISTRY_AUTH_TOKEN_SERVICE"])
	require.Equal(t, []string{name}, server.Networks["default"].Aliases)
	require.Empty(t, upstream.Ports, "the registry is reached without Dockit")
	require.Equal(t, []string{"CMD", "dockit", "health", "http://" + server.Environment["DOCKIT_METRICS_LISTEN"]}, server.Healthcheck.Test)
	require.Equal(t, "registry:5000", server.Environment["DOCKIT_UPSTREAM"])

	p, err := port.Free(t.Context())
	require.NoError(t, err)
	running := startDockit(t, dockit.Config{Args: []string{"--service", server.Environment["DOCKIT_SERVICE"], "--upstream", port.Localhost(p)}})
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	_, err = running.Admin().Run(t.Context(), init.Command[0], bundle)
	require.NoError(t, err)
	startRegistry(t, registry.Config{
		Binary: registryBinary(t, registry.V3), Port: p, Realm: running.URL + "/v2/token", Service: upstream.Environment["REGISTRY_AUTH_TOKEN_SERVICE"], RootCertBundle: bundle,
	})
	requirePushed(t, client{host: running.Host, username: running.Config().RootUser, password: running.Config().RootPassword}, "team/app")
}

// TestComposeExampleWithMySQL checks that the two services of the example know each other's names, and runs what they run, by hand:
// MariaDB with its options, Dockit on it with its variables, and a second one, as the README says.
func TestComposeExampleWithMySQL(t *testing.T) {
	t.Parallel()
	c := readComposition(t, "compose-mysql")
	database, server := c.Services["database"], c.Services["dockit"]
	requireFlags(t, server)
	require.Equal(t, "mysql", server.Environment["DOCKIT_SQL_DIALECT"])
	require.Equal(t, fmt.Sprintf("%s:%s@tcp(database:3306)/%s", database.Environment["MARIADB_USER"], database.Environment["MARIADB_PASSWORD"], database.Environment["MARIADB_DATABASE"]),
		server.Environment["DOCKIT_SQL_DSN"])
	require.Equal(t, "service_healthy", server.DependsOn["database"].Condition)
	require.Contains(t, database.Command, "--innodb-flush-log-at-trx-commit=1")
	require.Empty(t, database.Ports)
	require.Equal(t, []string{mariadb.User, mariadb.Database}, []string{database.Environment["MARIADB_USER"], database.Environment["MARIADB_DATABASE"]})

	running, err := mariadb.Start(t.Context(), database.Command...)
	t.Cleanup(func() { assert.NoError(t, running.Stop()) })
	if errors.Is(err, mariadb.ErrNotInstalled) {
		cannot.Run(t, err)
	}
	require.NoError(t, err)
	dsn := strings.NewReplacer("database:3306", running.Address, database.Environment["MARIADB_PASSWORD"], mariadb.Password).Replace(server.Environment["DOCKIT_SQL_DSN"])
	env := []string{"DOCKIT_SERVICE=" + server.Environment["DOCKIT_SERVICE"], "DOCKIT_PKI_ENCRYPTION_KEY=" + rand.Text() + rand.Text()}
	one := startDockit(t, dockit.Config{Args: server.Command[1:], MySQL: dsn, Env: env})
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	_, err = one.Admin().Run(t.Context(), "init-container", bundle)
	require.NoError(t, err)
	another := one.Config()
	another.Port, another.Dir = 0, t.TempDir()
	for _, node := range []*dockit.Server{one, startDockit(t, another)} {
		r := startRegistry(t, registry.Config{
			Binary: registryBinary(t, registry.V3), Realm: node.URL + "/v2/token", Service: server.Environment["DOCKIT_SERVICE"], RootCertBundle: bundle,
		})
		requirePushed(t, rootOf(node, r), "team/app")
	}
}

// requireFlags checks that the variables of a service are those of flags of its command.
func requireFlags(t *testing.T, s composeService) {
	t.Helper()
	flags := flagsOf(t, s.Command[0])
	for name := range s.Environment {
		flag := strings.TrimSuffix(strings.TrimPrefix(name, "DOCKIT_"), "_FILE")
		require.Contains(t, flags, "--"+strings.ReplaceAll(strings.ToLower(flag), "_", "-"), name)
	}
}

func readComposition(t *testing.T, folder string) composition {
	t.Helper()
	file, err := os.ReadFile(example(t, folder, "compose.yaml"))
	require.NoError(t, err)
	// Variables of the shell have their defaults, and those that must be set the same value everywhere.
	text := os.Expand(string(file), func(v string) string {
		if name, _, required := strings.Cut(v, ":?"); required {
			return "value of " + name
		}
		_, value, ok := strings.Cut(v, ":-")
		require.True(t, ok, "${%s} has no default", v)
		return value
	})
	var c composition
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(&c))
	return c
}

// mountPoint is where a service has a volume.
func mountPoint(t *testing.T, s composeService, volume string) string {
	t.Helper()
	for _, v := range s.Volumes {
		if parts := strings.Split(v, ":"); parts[0] == volume {
			return parts[1]
		}
	}
	t.Fatalf("no volume %s in %v", volume, s.Volumes)
	return ""
}

// flagsOf are the flags that the help of a command names.
func flagsOf(t *testing.T, command string) []string {
	t.Helper()
	cli := dockit.CLI{Path: built(t, buildDockit), Env: dockit.Environment(t.TempDir())}
	help, err := cli.Run(t.Context(), command, "--help")
	require.NoError(t, err)
	var flags []string
	for field := range strings.FieldsSeq(help) {
		if strings.HasPrefix(field, "--") {
			flags = append(flags, strings.TrimRight(field, ",."))
		}
	}
	return flags
}
