package e2e

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/e2e/internal/build"
)

// manifest is what the test reads of an object; its schema is checked beside the manifests.
type manifest struct {
	Spec struct {
		Template struct {
			Spec struct {
				InitContainers []manifestContainer `yaml:"initContainers"`
				Containers     []manifestContainer `yaml:"containers"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

type manifestContainer struct {
	Image string   `yaml:"image"`
	Args  []string `yaml:"args"`
	Env   []struct {
		Name string `yaml:"name"`
	} `yaml:"env"`
}

// The flags and variables in the manifests for Kubernetes are Dockit's.
func TestKubernetesExample(t *testing.T) {
	t.Parallel()
	root, err := build.Root()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(root, "examples", "kubernetes", "*.yaml"))
	require.NoError(t, err)
	checked := 0
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
				if c.Image != "dockit" {
					continue
				}
				checked++
				flags := flagsOf(t, c.Args[0])
				for _, arg := range c.Args[1:] {
					if strings.HasPrefix(arg, "--") {
						require.Contains(t, flags, arg, file)
					}
				}
				for _, variable := range c.Env {
					flag := strings.TrimSuffix(strings.TrimPrefix(variable.Name, "DOCKIT_"), "_FILE")
					if variable.Name == "DOCKIT_PKI_FILE" || variable.Name == "DOCKIT_PKI_CERTIFICATE_FILE" {
						flag = strings.TrimPrefix(variable.Name, "DOCKIT_")
					}
					require.Contains(t, flags, "--"+strings.ReplaceAll(strings.ToLower(flag), "_", "-"), variable.Name)
				}
			}
		}
	}
	require.Equal(t, 3, checked)
}
