//go:build conformance

package e2e

import (
	"context"
	"encoding/xml"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

var buildConformance = sync.OnceValues(func() (string, error) {
	return build.Client(context.Background(), binFolder, build.Conformance)
})

// TestConformance runs the suite of the distribution specification at a registry that asks nobody for a token, and at the same one
// with Dockit beside it and in front of it. Dockit changes no result.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, kind := range registry.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			open := startRegistry(t, registry.Config{Binary: registryBinary(t, kind), Open: true})
			want := conformance(t, open.Host, "", "")
			t.Logf("%d checks, of which %d fail", want[checks], want[failedChecks])
			require.Greater(t, want[checks]-want[failedChecks], 100)

			s := startStack(t, kind)
			root := s.dockit.Config()
			assert.Equal(t, want, conformance(t, s.registry.Host, root.RootUser, root.RootPassword), "Dockit beside the registry")
			oneHost, _ := startOneHost(t, kind)
			root = oneHost.Config()
			assert.Equal(t, want, conformance(t, oneHost.Host, root.RootUser, root.RootPassword), "Dockit in front of the registry")
		})
	}
}

// checks and failedChecks are under what the suite's own sums are kept: one of its tests may check several things.
const (
	checks       = "checks"
	failedChecks = "checks that fail"
)

// conformance counts the results of the suite by the names of its tests and their status.
func conformance(t *testing.T, host, username, password string) map[string]int {
	t.Helper()
	results := t.TempDir()
	cmd := exec.CommandContext(t.Context(), built(t, buildConformance))
	cmd.Dir = results
	cmd.Env = append(dockit.Environment(results),
		"OCI_REGISTRY="+host, "OCI_TLS=disabled", "OCI_REPO1=conformance/one", "OCI_REPO2=conformance/two", "OCI_RESULTS_DIR="+results,
		"OCI_USERNAME="+username, "OCI_PASSWORD="+password)
	output, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) { // it ends with 1 when a test fails
		require.NoError(t, err, "%s", output)
	}
	content, err := os.ReadFile(filepath.Join(results, "junit.xml"))
	require.NoError(t, err, "%s", output)
	var suites struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Tests []struct {
				Name  string `xml:"name,attr"`
				Class string `xml:"classname,attr"`
				// Status is passed, skipped, failure or error.
				Status string `xml:"status,attr"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	require.NoError(t, xml.Unmarshal(content, &suites))
	got := map[string]int{checks: suites.Tests, failedChecks: suites.Failures}
	for _, suite := range suites.Suites {
		for _, test := range suite.Tests {
			name := strings.Join([]string{suite.Name, test.Class, test.Name}, "/")
			require.NotEmpty(t, test.Status, name)
			got[name+": "+test.Status]++ // some have the same name, in any order
		}
	}
	return got
}
