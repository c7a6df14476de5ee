package pullsecrets

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"k8s.io/client-go/tools/cache"
)

// TestPausesGrow guards that what fails is tried less and less often, never later than the longest pause, and that others are not kept waiting.
func TestPausesGrow(t *testing.T) {
	now := time.Now()
	p := newPace(func() time.Time { return now })
	one, other := cache.NewObjectName("team-a", "default"), cache.NewObjectName("team-b", "default")
	assert.Zero(t, p.wait(one))
	attempts := 0
	for end := now.Add(time.Hour); now.Before(end); now = now.Add(p.wait(one)) {
		assert.Zero(t, p.wait(one))
		attempts++
		length := p.pause(one)
		full := min(longest, shortest<<min(attempts-1, 20))
		assert.LessOrEqual(t, length, full)
		assert.GreaterOrEqual(t, length, full/4*3)
		assert.Equal(t, length, p.wait(one))
	}
	assert.InDelta(t, 22, attempts, 3, "attempts of an hour")
	assert.Zero(t, p.wait(other))
	now = now.Add(resetAfter + longest)
	assert.Zero(t, p.wait(one))
	assert.Empty(t, p.turns, "what is left alone takes no memory")
	assert.LessOrEqual(t, p.pause(one), shortest)
	p.forget(one)
	assert.Zero(t, p.wait(one))
}
