package cannot

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCannotRun checks that what a machine cannot run passes nowhere unseen.
func TestCannotRun(t *testing.T) {
	for ci, want := range map[string]string{"": "skipped: no engine", "true": "failed: no engine"} {
		t.Setenv("CI", ci)
		r := &recorder{TB: t}
		Run(r, errors.New("no engine"))
		require.Equal(t, want, r.ended[0], "CI=%s", ci)
	}
}

// recorder notes how a test is ended instead of ending it.
type recorder struct {
	testing.TB
	ended []string
}

func (r *recorder) Fatal(args ...any) { r.ended = append(r.ended, "failed: "+fmt.Sprint(args...)) }
func (r *recorder) Skip(args ...any)  { r.ended = append(r.ended, "skipped: "+fmt.Sprint(args...)) }
