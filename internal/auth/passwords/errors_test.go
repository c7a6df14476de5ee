package passwords

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestThrottledErrorInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "1 second", time.Millisecond: "1 second", 1500 * time.Millisecond: "2 seconds", time.Minute: "60 seconds",
		61 * time.Second: "2 minutes", 15 * time.Minute: "15 minutes", 14*time.Minute + time.Second: "15 minutes",
	} {
		got := (&ThrottledError{RetryAfter: d}).Error()
		assert.True(t, strings.HasSuffix(got, "try again in "+want), "%s: %q, want %q", d, got, want)
	}
}
