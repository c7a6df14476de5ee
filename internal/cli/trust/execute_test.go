package trust

import (
	"testing"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/cli/clitest"
)

// execute runs a command of this package and returns what came of it.
func execute(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return clitest.Run(cli.Execute, cli.NewCommand(NewInitContainerCommand(), NewPKIGenerateCommand()), args...)
}
