//go:build kubeapiserver

package e2e

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/e2e/internal/build"
)

// chartNamespace is the namespace of what is rendered.
const chartNamespace = "registry"

// rendered is what the chart makes of a text of values, or the kustomization of none: documents by kind and name.
func renderedChart(t *testing.T, values string) map[string][]byte {
	t.Helper()
	root, err := build.Root()
	require.NoError(t, err)
	return documentsOf(t, rendered(t, "chart", filepath.Join(root, "examples", "helm", "dockit"), writeFile(t, "values.yaml", values)))
}

var buildRender = sync.OnceValues(func() (string, error) { return build.Render(context.Background(), binFolder) })

func rendered(t *testing.T, args ...string) []byte {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), built(t, buildRender), args...)
	cmd.Stderr = &said
	output, err := cmd.Output()
	require.NoError(t, err, "%s", said.String())
	return output
}

// documentsOf are those of a text, by kind and name, and of one name in several namespaces by that, too.
func documentsOf(t *testing.T, text []byte) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for document := range strings.SplitSeq("\n"+string(text), "\n---") {
		var head manifest
		require.NoError(t, yaml.Unmarshal([]byte(document), &head), document)
		if head.Kind != "" {
			name := head.Kind + " " + head.Metadata.Name
			if _, ok := all[name]; ok { // in another namespace
				name = head.Kind + " " + head.Metadata.Namespace + "/" + head.Metadata.Name
			}
			require.NotContains(t, all, name)
			all[name] = []byte(document)
		}
	}
	return all
}
