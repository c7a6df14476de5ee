package e2e

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/process"
)

// manifest is what the test reads of an object; its schema is checked beside the manifests.
type manifest struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name      string `yaml:"name"`
		Namespace string `yaml:"namespace"`
	} `yaml:"metadata"`
	Spec struct {
		Ports []struct {
			Port int `yaml:"port"`
		} `yaml:"ports"`
		Template struct {
			Spec struct {
				InitContainers []manifestContainer `yaml:"initContainers"`
				Containers     []manifestContainer `yaml:"containers"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

type manifestContainer struct {
	Name  string   `yaml:"name"`
	Image string   `yaml:"image"`
	Args  []string `yaml:"args"`
	Env   []struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value"`
	} `yaml:"env"`
	Ports []struct {
		Name          string `yaml:"name"`
		ContainerPort int    `yaml:"containerPort"`
	} `yaml:"ports"`
}

func (c manifestContainer) variable(name string) string {
	for _, v := range c.Env {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}

func (c manifestContainer) port(name string) int {
	for _, p := range c.Ports {
		if p.Name == name {
			return p.ContainerPort
		}
	}
	return 0
}

// readKubernetes returns the containers of the manifests, by name, and the ports of their services.
func readKubernetes(t *testing.T) (map[string]manifestContainer, map[string]int) {
	t.Helper()
	root, err := build.Root()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(root, "examples", "kubernetes", "*.yaml"))
	require.NoError(t, err)
	containers, services := map[string]manifestContainer{}, map[string]int{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for decoder := yaml.NewDecoder(bytes.NewReader(content)); ; {
			var m manifest
			if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				require.NoError(t, err, file)
			}
			pod := m.Spec.Template.Spec
			for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
				containers[c.Name] = c
			}
			if m.Kind == "Service" {
				require.Len(t, m.Spec.Ports, 1, m.Metadata.Name)
				services[m.Metadata.Name] = m.Spec.Ports[0].Port
			}
		}
	}
	return containers, services
}

// moved is a container whose files are below a folder, as arguments and variables name them, and whose variables have
// other values where told.
func (c manifestContainer) moved(folder string, changed map[string]string) (args, env []string) {
	below := func(value string) string {
		if strings.HasPrefix(value, "/") {
			return filepath.Join(folder, value)
		}
		return value
	}
	for _, arg := range c.Args {
		args = append(args, below(arg))
	}
	for _, v := range c.Env {
		value, ok := changed[v.Name]
		if !ok {
			value = below(v.Value)
		}
		env = append(env, v.Name+"="+value)
	}
	return args, env
}

// What the manifests for Kubernetes have Dockit run works as it stands there, but for addresses and where files are.
func TestKubernetesExample(t *testing.T) {
	t.Parallel()
	containers, services := readKubernetes(t)
	server, trust, watch, reg := containers["dockit"], containers["trust"], containers["trust-watch"], containers["registry"]
	var ours []string
	for name, c := range containers {
		if c.Image == "dockit" {
			ours = append(ours, name)
		}
	}
	require.ElementsMatch(t, []string{"dockit", "trust", "trust-watch"}, ours)

	t.Run("flags and variables are those of the command", func(t *testing.T) {
		for _, name := range ours {
			c := containers[name]
			flags := flagsOf(t, c.Args[0])
			for _, arg := range c.Args[1:] {
				if strings.HasPrefix(arg, "--") {
					assert.Contains(t, flags, arg, name)
				}
			}
			for _, v := range c.Env {
				flag := "--" + strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(v.Name, "DOCKIT_")), "_", "-")
				if !slices.Contains(flags, flag) { // it may be a file that holds the value
					flag = strings.TrimSuffix(flag, "-file")
				}
				assert.Contains(t, flags, flag, name)
			}
		}
	})

	t.Run("services fit together", func(t *testing.T) {
		for name, number := range services {
			assert.Equal(t, number, containers[name].port("http"), name)
		}
		assert.Equal(t, ":"+fmt.Sprint(server.port("metrics")), server.variable("DOCKIT_METRICS_LISTEN"))
		for _, c := range []manifestContainer{trust, watch} {
			assert.Equal(t, fmt.Sprintf("http://dockit:%d", services["dockit"]), c.variable("DOCKIT_BASE_URL"), c.Name)
			assert.Equal(t, server.variable("DOCKIT_SERVICE"), c.variable("DOCKIT_SERVICE"), c.Name)
			assert.Equal(t, reg.variable("REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE"), c.Args[1], c.Name)
		}
		assert.Equal(t, server.variable("DOCKIT_SERVICE"), reg.variable("REGISTRY_AUTH_TOKEN_SERVICE"))
		assert.Equal(t, fmt.Sprintf("%s=http://registry:%d", server.variable("DOCKIT_SERVICE"), services["registry"]), server.variable("DOCKIT_REGISTRY"))
		assert.Equal(t, "dockit", reg.variable("REGISTRY_AUTH_TOKEN_ISSUER"), "as is the default of api-server")
		assert.Equal(t, "https://"+server.variable("DOCKIT_SERVICE")+"/v2/token", reg.variable("REGISTRY_AUTH_TOKEN_REALM"))
	})

	t.Run("containers run", func(t *testing.T) {
		folder, pair, password := t.TempDir(), madePair(t, "--ca"), rand.Text()
		for name, content := range map[string][]byte{
			"run/secrets/ca/tls.key":            pair["tls.key"],
			"run/secrets/ca/tls.crt":            pair["tls.crt"],
			"run/secrets/dockit/encryption-key": []byte(rand.Text() + rand.Text()),
			"run/secrets/dockit/root-password":  []byte(password),
			"authority/tls.crt":                 pair["tls.crt"],
			"data/lost+found":                   nil,
			"trust/.keep":                       nil,
		} {
			path := filepath.Join(folder, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
			require.NoError(t, os.WriteFile(path, content, 0o600))
		}

		metrics, err := port.Free(t.Context())
		require.NoError(t, err)
		args, env := server.moved(folder, map[string]string{"DOCKIT_METRICS_LISTEN": port.Localhost(metrics)})
		s, err := dockit.Start(t.Context(), dockit.Config{Binary: built(t, buildDockit), Dir: t.TempDir(), Args: args[1:], Env: env})
		require.NoError(t, err)
		stopAtEnd(t, s.Process)
		assert.NotContains(t, s.Output(), "sets nothing")
		assert.FileExists(t, filepath.Join(folder, "data", "dockit.sqlite"))
		get(t, s.URL+"/v2/token?service="+reg.variable("REGISTRY_AUTH_TOKEN_SERVICE")+"&scope=repository:a:pull")
		assert.Contains(t, get(t, "http://"+port.Localhost(metrics)+"/metrics"), "dockit_")
		listed, err := s.CLI(server.variable("DOCKIT_ROOT_USER"), password).Run(t.Context(), "rbac", "list", "users", "-o", "name")
		require.NoError(t, err)
		assert.Contains(t, listed, "user:"+server.variable("DOCKIT_ROOT_USER"))

		bundle := filepath.Join(folder, reg.variable("REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE"))
		args, env = trust.moved(folder, map[string]string{"DOCKIT_BASE_URL": s.URL})
		_, err = dockit.CLI{Path: built(t, buildDockit), Env: append(dockit.Environment(t.TempDir()), env...)}.Run(t.Context(), args...)
		require.NoError(t, err)
		content, err := os.ReadFile(bundle)
		require.NoError(t, err)
		assert.Equal(t, get(t, s.URL+"/v2/certs/pem"), string(content))

		// The sidecar brings back what is missing.
		require.NoError(t, os.Remove(bundle))
		args, env = watch.moved(folder, map[string]string{"DOCKIT_BASE_URL": s.URL})
		sidecar, err := process.Start(process.Command{
			Name: "the sidecar", Path: built(t, buildDockit), Args: args, Env: append(dockit.Environment(t.TempDir()), env...), Dir: t.TempDir(),
		})
		require.NoError(t, err)
		stopAtEnd(t, sidecar)
		waitFor(t, func() bool {
			content, err := os.ReadFile(bundle)
			return err == nil && bytes.Equal(content, []byte(get(t, s.URL+"/v2/certs/pem")))
		})
	})
}
