package process

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestExcerpt(t *testing.T) {
	const issued, failed = `{"level":"info","msg":"token issued"}`, `{"level":"error","msg":"no answer"}`
	for name, c := range map[string]struct{ output, want string }{
		"nothing":                         {"", ""},
		"words":                           {"one\ntwo\n", "one\ntwo"},
		"what went well is left out":      {issued + "\n" + failed + "\n" + issued + "\n", "(2 lines are left out)\n" + failed},
		"as many lines as are shown":      {strings.Repeat("x\n", shownLines), strings.TrimSuffix(strings.Repeat("x\n", shownLines), "\n")},
		"the last ones of more than that": {"first\n" + strings.Repeat("x\n", shownLines), "(1 lines are left out)\n" + strings.TrimSuffix(strings.Repeat("x\n", shownLines), "\n")},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, excerpt(c.output)) })
	}
}
