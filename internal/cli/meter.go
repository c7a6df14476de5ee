package cli

import (
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// meterDelay keeps what is done at once from flickering.
	meterDelay    = 500 * time.Millisecond
	meterInterval = 200 * time.Millisecond
	meterWidth    = 30
)

// Meter shows on a terminal how far something long has come. A nil meter
// shows nothing.
type Meter struct {
	out     io.Writer
	message string
	// total is zero when it is unknown.
	total int64
	value atomic.Int64
	stop  chan struct{}
	done  sync.WaitGroup
}

// Meter starts to show progress on standard error. With streaming, results go
// to standard output meanwhile, which must not be the same terminal.
func (p *Printer) Meter(message string, total int64, streaming bool) *Meter {
	if p.progress == nil || p.Quiet || streaming && p.width > 0 {
		return nil
	}
	return startMeter(p.progress, message, total, meterDelay)
}

func startMeter(out io.Writer, message string, total int64, delay time.Duration) *Meter {
	m := &Meter{out: out, message: message, total: total, stop: make(chan struct{})}
	m.done.Go(func() {
		next := time.NewTimer(delay)
		defer next.Stop()
		for shown := false; ; shown = true {
			select {
			case <-next.C:
				fmt.Fprint(m.out, "\r\x1b[K"+m.line())
				next.Reset(meterInterval)
			case <-m.stop:
				if shown {
					fmt.Fprint(m.out, "\r\x1b[K")
				}
				return
			}
		}
	})
	return m
}

func (m *Meter) line() string {
	value := m.value.Load()
	if m.total <= 0 {
		return fmt.Sprintf("%s %d", m.message, value)
	}
	part := min(float64(value)/float64(m.total), 1)
	filled := int(part * meterWidth)
	return fmt.Sprintf("%s [%s%s] %3.0f%%", m.message, strings.Repeat("#", filled), strings.Repeat(" ", meterWidth-filled), part*100)
}

func (m *Meter) add(n int) {
	if m != nil {
		m.value.Add(int64(n))
	}
}

// Set says how far it has come.
func (m *Meter) Set(value int64) {
	if m != nil {
		m.value.Store(value)
	}
}

// Finish takes the meter off the terminal.
func (m *Meter) Finish() {
	if m != nil {
		close(m.stop)
		m.done.Wait()
	}
}

// Counted counts items as they pass.
func Counted[T any](m *Meter, items iter.Seq2[T, error]) iter.Seq2[T, error] {
	if m == nil {
		return items
	}
	return func(yield func(T, error) bool) {
		for item, err := range items {
			m.add(1)
			if !yield(item, err) {
				return
			}
		}
	}
}

// Write counts bytes as they pass to what it is put before by [io.MultiWriter].
func (m *Meter) Write(p []byte) (int, error) {
	m.add(len(p))
	return len(p), nil
}

// Clock counts seconds until the returned function is called, for what does
// not report how far it is.
func (m *Meter) Clock() (stop func()) {
	if m == nil {
		return func() {}
	}
	ticker := time.NewTicker(time.Second)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				m.add(1)
			case <-done:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(done)
	}
}
