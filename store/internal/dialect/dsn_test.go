package dialect

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPathsOfSQLite(t *testing.T) {
	for _, path := range []string{"dockit.sqlite", "/data/me@home/a:b.sqlite", "./a:b@c", `C:\data\me@home.sqlite`, "../dockit(1).sqlite", "/dockit"} {
		got, err := ParseSQLiteDSN(path)
		require.NoError(t, err, path)
		assert.Equal(t, path, got.Path)
	}
}

// TestDSNEnds guards that what a file leaves around a DSN makes no new database
// beside the one that is meant.
func TestDSNEnds(t *testing.T) {
	for _, around := range []string{`"%s"`, "'%s'", " %s", "%s ", "%s\n", "\ufeff%s"} {
		_, err := ParseSQLiteDSN(fmt.Sprintf(around, "dockit.sqlite"))
		require.ErrorContains(t, err, "without them", around)
		_, err = parseMySQLDSN(fmt.Sprintf(around, "dockit:secret@tcp(db)/dockit"))
		require.ErrorContains(t, err, "without them", around)
	}
}
