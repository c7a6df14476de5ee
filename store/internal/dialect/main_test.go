package dialect

import (
	"os"
	"testing"

	"github.com/dockit-registry/dockit/store/mariadbtest"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Run(m)) }
