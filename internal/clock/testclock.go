//go:build dockit_testclock

package clock

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// file is the environment variable that names the file with a duration, such as
// 1h or -1h, by which the clock is ahead. Without it, or without the file, the
// clock is right.
const file = "DOCKIT_TEST_CLOCK"

// every is how long an offset counts before it is read again.
const every = 10 * time.Millisecond

var offset struct {
	sync.Mutex
	value time.Duration
	until time.Time
}

// Now is what the clock of this machine would show if it was that wrong.
func Now() time.Time {
	offset.Lock()
	defer offset.Unlock()
	now := time.Now()
	if now.After(offset.until) {
		offset.value, offset.until = read(), now.Add(every)
	}
	// A clock that is set takes no monotonic clock along.
	return now.Round(0).Add(offset.value)
}

func read() time.Duration {
	name := os.Getenv(file)
	if name == "" {
		return 0
	}
	content, err := os.ReadFile(name) //nolint:gosec // a test says which
	if os.IsNotExist(err) {
		return 0
	}
	ahead, wrong := time.ParseDuration(strings.TrimSpace(string(content)))
	if err != nil || wrong != nil {
		panic(fmt.Sprintf("%s: no duration in %s: %v, %v", file, name, err, wrong))
	}
	return ahead
}
