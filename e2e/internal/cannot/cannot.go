// Package cannot ends tests that this machine cannot run.
package cannot

import (
	"os"
	"testing"
)

// Run ends a test that the machine cannot run: it is skipped, with the reason, which `make test` shows at the end, and
// fails in CI.
func Run(t testing.TB, reason error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}
