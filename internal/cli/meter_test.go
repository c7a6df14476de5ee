package cli

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// screen is a terminal that several goroutines may write to and read.
type screen struct {
	mutex   sync.Mutex
	content bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.content.Write(p)
}

func (s *screen) String() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.content.String()
}

func TestMeter(t *testing.T) {
	s := &screen{}
	m := startMeter(s, "reading", 10, time.Millisecond)
	m.add(5)
	require.Eventually(t, func() bool {
		return bytes.Contains([]byte(s.String()), []byte("reading [###############               ]  50%"))
	}, 5*time.Second, time.Millisecond)
	m.add(50)
	m.Finish()
	assert.Regexp(t, "\r\x1b\\[K$", s.String(), "the line is empty again")

	s = &screen{}
	startMeter(s, "reading", 0, time.Hour).Finish()
	assert.Empty(t, s.String(), "what is done at once shows nothing")

	var none *Meter
	none.add(1)
	none.Finish()
	n := 0
	for range Counted(none, ValuesOf([]int{1, 2, 3})) {
		n++
	}
	assert.Equal(t, 3, n)
}

func TestMeterOfUnknownLength(t *testing.T) {
	m := &Meter{message: "reading"}
	for range Counted(m, ValuesOf([]int{1, 2, 3})) {
		continue
	}
	assert.Equal(t, "reading 3", m.line())
	m.total = 2
	assert.Contains(t, m.line(), "100%", "never more than everything")
}
