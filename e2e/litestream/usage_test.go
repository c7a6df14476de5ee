package litestream

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func pid(m *machine) string { return strconv.Itoa(m.PID()) }

// writtenBytes reads how much a process wrote from what Linux tells of it.
func writtenBytes(io string) int64 {
	for line := range strings.Lines(io) {
		if value, ok := strings.CutPrefix(line, "wchar: "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err == nil {
				return n
			}
		}
	}
	return 0
}

func mb(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// noErrors looks at what Litestream printed.
func noErrors(t *testing.T, output string) {
	t.Helper()
	for line := range strings.Lines(output) {
		assert.NotContains(t, line, "level=ERROR")
	}
}
