package flood

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/cannot"
)

// memoryGroup is a group of processes that Linux bounds the memory of, as it does for a container.
type memoryGroup struct {
	folder string
	// events is the file that counts whom Linux killed.
	events string
}

// newMemoryGroup makes a group that lasts until the test ends. A machine that lets nobody make one, as a container without
// privileges, cannot run the test.
func newMemoryGroup(t *testing.T, limit int64) *memoryGroup {
	t.Helper()
	var reasons []error
	for _, version := range []struct{ parent, limit, swap, events string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.oom_control"},
		{"/sys/fs/cgroup", "memory.max", "memory.swap.max", "memory.events"},
	} {
		folder, err := os.MkdirTemp(version.parent, "dockit-test-")
		if err != nil {
			reasons = append(reasons, err)
			continue
		}
		g := &memoryGroup{folder, filepath.Join(folder, version.events)}
		err = os.WriteFile(filepath.Join(folder, version.limit), []byte(strconv.FormatInt(limit, 10)), 0o600)
		if err != nil || !fileExists(g.events) {
			reasons = append(reasons, err, os.Remove(folder))
			continue
		}
		swap := "0"
		if strings.Contains(version.swap, "memsw") { // memory and swap together
			swap = strconv.FormatInt(limit, 10)
		}
		_ = os.WriteFile(filepath.Join(folder, version.swap), []byte(swap), 0o600) // there may be no swap
		t.Cleanup(func() {
			assert.NoError(t, os.Remove(folder))
		})
		return g
	}
	cannot.Run(t, fmt.Errorf("no group with a limit of memory can be made: %w", errors.Join(reasons...)))
	return nil
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// kills is how often Linux ended a process of the group for want of memory.
func (g *memoryGroup) kills(t *testing.T) int {
	t.Helper()
	events, err := os.ReadFile(g.events)
	require.NoError(t, err)
	for line := range strings.Lines(string(events)) {
		if count, ok := strings.CutPrefix(line, "oom_kill "); ok {
			kills, err := strconv.Atoi(strings.TrimSpace(count))
			require.NoError(t, err)
			return kills
		}
	}
	t.Fatalf("%s counts no kills: %s", g.events, events)
	return 0
}
