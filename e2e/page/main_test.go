package page

import (
	"context"
	"os"
	"testing"
)

var (
	// mainContext is that of what all tests share.
	mainContext = context.Background()
	// built is the folder of what they build.
	built string
)

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built) // what is left is temporary
	}
	os.Exit(code)
}
