package importer_test

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/importer"
	"github.com/dockit-registry/dockit/state"
)

var update = flag.Bool("update", false, "write what imports bring to testdata")

// checkFiles imports each file of a folder and compares with the document and
// the findings beside it.
func checkFiles(t *testing.T, pattern string, read func(io.Reader) (*importer.Result, error)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 3)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			f, err := os.Open(file)
			require.NoError(t, err)
			defer f.Close()
			result, err := read(f)
			require.NoError(t, err)
			document, err := result.Document.Bytes(state.YAML)
			require.NoError(t, err)
			base := strings.TrimSuffix(file, filepath.Ext(file))
			checkGolden(t, base+".want", string(document)+"---\n"+findings(result))
		})
	}
}

func findings(r *importer.Result) string {
	var text strings.Builder
	for _, f := range r.Findings {
		text.WriteString(f.String() + "\n")
	}
	return text.String()
}

func checkGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}
