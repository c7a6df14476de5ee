package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
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
	Healthcheck     struct {
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
	c := readComposition(t)
	server, init, registry := c.Services["dockit"], c.Services["init-container"], c.Services["registry"]

	t.Run("commands and variables are Dockit's", func(t *testing.T) {
		for _, s := range []composeService{server, init} {
			flags := flagsOf(t, s.Command[0])
			for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
				flag := strings.TrimSuffix(strings.TrimPrefix(name, "DOCKIT_"), "_FILE")
				require.Contains(t, flags, "--"+strings.ReplaceAll(strings.ToLower(flag), "_", "-"), name)
			}
		}
	})
	t.Run("the server starts with its variables", func(t *testing.T) {
		var env []string
		for name, value := range server.Environment {
			env = append(env, name+"="+value)
		}
		s := startDockit(t, dockit.Config{Args: server.Command[1:], Env: env})
		get(t, s.URL+"/v2/token?service="+registry.Environment["REGISTRY_AUTH_TOKEN_SERVICE"]+"&scope=repository:a:pull")

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
	})
	t.Run("services fit together", func(t *testing.T) {
		require.Equal(t, "http://localhost:4315/v2/token", registry.Environment["REGISTRY_AUTH_TOKEN_REALM"])
		require.Equal(t, "dockit", registry.Environment["REGISTRY_AUTH_TOKEN_ISSUER"])
		// Plain HTTP does not leave the container: --base-url is http://localhost:4315 by default, and no flag lets it.
		require.Equal(t, "service:dockit", init.NetworkMode)
		require.Empty(t, init.Environment)
		require.Len(t, init.Command, 2)
		require.Contains(t, server.Ports, "127.0.0.1:4315:4315")

		written := strings.Replace(init.Command[1], mountPoint(t, init, "certs"), "", 1)
		read := strings.Replace(registry.Environment["REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE"], mountPoint(t, registry, "certs"), "", 1)
		require.Equal(t, written, read)
		require.Equal(t, "service_completed_successfully", registry.DependsOn["init-container"].Condition)
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

func readComposition(t *testing.T) composition {
	t.Helper()
	root, err := build.Root()
	require.NoError(t, err)
	file, err := os.ReadFile(filepath.Join(root, "examples", "compose", "compose.yaml"))
	require.NoError(t, err)
	// Variables of the shell have their defaults.
	text := os.Expand(string(file), func(v string) string {
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
