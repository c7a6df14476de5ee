package verifier

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// kept is what a recorder wrote.
type kept struct {
	writes   int
	refusals map[int64][]Refusal
	err      error
}

func newKept() (*kept, *Recorder) {
	k := &kept{refusals: make(map[int64][]Refusal)}
	return k, NewRecorder(func(_ context.Context, all map[int64][]Refusal) error {
		k.writes++
		if k.err != nil {
			return k.err
		}
		for id, refusals := range all {
			k.refusals[id] = append(k.refusals[id], refusals...)
		}
		return nil
	})
}

func refusalAt(at time.Time, username string, signed bool) Refusal {
	return Refusal{At: at, Request: Request{Username: username}, Refused: &Refused{Reason: Conditions, IssuerID: 1, Binding: "b", Signed: signed, Detail: "d"}}
}

func TestRecorderKeepsWhatIsOfUse(t *testing.T) {
	k, r := newKept()
	for n := range 1000 {
		at := start.Add(time.Duration(n) * time.Millisecond)
		r.Record(refusalAt(at, fmt.Sprint("x", n), false)) // nobody signed it: whatever it says is made up
		r.Record(refusalAt(at, "ci", true))
	}
	r.Record(refusalAt(start.Add(time.Second), "deploy", true))
	r.Flush(t.Context())
	assert.Len(t, k.refusals[1], 3, "an unsigned one, and one of each robot")
	r.Record(refusalAt(start.Add(time.Minute), "ci", true))
	r.Flush(t.Context())
	assert.Len(t, k.refusals[1], 4, "after a minute it is told again")
	r.Flush(t.Context())
	assert.Equal(t, 2, k.writes, "nothing waits, nothing is written")
}

func TestRecorderIsBounded(t *testing.T) {
	k, r := newKept()
	k.err = errors.New("database is away")
	for n := range 3 * maxSeen {
		r.Record(refusalAt(start, fmt.Sprint("robot", n), true))
		if n%1000 == 0 {
			r.Flush(t.Context())
		}
	}
	assert.LessOrEqual(t, len(r.seen), maxSeen)
	assert.Len(t, r.pending[1], maxPending)
	k.err = nil
	r.Flush(t.Context())
	assert.Len(t, k.refusals[1], maxPending, "what could not be kept waited")
	r.Record(refusalAt(start.Add(2*time.Minute), "ci", true))
	assert.Len(t, r.seen, 1, "what is old is forgotten")
}

func TestRecorderWritesEveryFewSecondsAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, r := newKept()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		r.Record(refusalAt(time.Now(), "a", true))
		time.Sleep(writeEvery + time.Millisecond)
		synctest.Wait()
		assert.Len(t, k.refusals[1], 1)
		r.Record(refusalAt(time.Now(), "b", true))
		cancel()
		<-done
		assert.Len(t, k.refusals[1], 2)
	})
}

// TestRecorderTellsNoMadeUpNamesApart guards that whoever an issuer signs for, such as
// everybody at a shared one, neither fills memory nor pushes out what is of use.
func TestRecorderTellsNoMadeUpNamesApart(t *testing.T) {
	k, r := newKept()
	useful := refusalAt(start, "ci", true)
	useful.Binding = "job"
	r.Record(useful)
	for n := range 1000 {
		refusal := refusalAt(start, fmt.Sprint(n, strings.Repeat("x", 50_000)), true)
		refusal.Binding, refusal.Reason, refusal.Detail = "", NoBinding, fmt.Sprint("no binding of the issuer is for ", n)
		r.Record(refusal)
	}
	assert.Len(t, r.seen, 2)
	r.Flush(t.Context())
	if assert.Len(t, k.refusals[1], 2) {
		assert.Equal(t, "ci", k.refusals[1][0].Username)
		assert.Less(t, len(k.refusals[1][1].Username), 200)
	}
}
