package memorylimit

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// gcPercent is how much garbage there may be for what is in use. Little is in
	// use but for what passwords are checked with, some 20 MB each, so that to
	// look for garbage often costs little, and garbage is as dear as that.
	gcPercent = 25
	// busyGarbage is how much there may be at least while requests make it all the
	// time: else a server with little in use would look for it hundreds of times a
	// second, and that would be the dearest part of each.
	busyGarbage = 16 << 20
	// maxPercent bounds that where next to nothing is in use.
	maxPercent = 400
	// soon is within what time of the one before a collection comes that is one of
	// a busy server's, and busyAfter how many of those in a row make it busy.
	soon      = time.Second
	busyAfter = 5
	// quietAfter without a collection, a server is busy no more, and gives back
	// what it does not need.
	quietAfter = 5 * time.Second
	// startup is how long nothing of this is done: what a server makes once is no
	// sign of requests. What it needed for that alone, such as to check the
	// password of the first admin, and the program itself where it looked at it
	// once, is given back then.
	startup = 3 * time.Second
)

// garbage lets a busy server keep more garbage than a quiet one.
type garbage struct {
	set func(percent int)

	mu      sync.Mutex
	percent int
	last    time.Time
	// inRow counts the collections that came soon after the one before.
	inRow int
	quiet *time.Timer
	// large is how much work goes on that takes much memory.
	large int
}

// following is what follows this process, or nil.
var following atomic.Pointer[garbage]

// Large says that work begins that takes tens of megabytes for a moment, and done
// that it is over. Meanwhile a busy server keeps no more garbage than a quiet one:
// as a share of all that, it would be as dear as several times the work.
func Large() (done func()) {
	g := following.Load()
	if g == nil {
		return func() {}
	}
	g.addLarge(1)
	return func() { g.addLarge(-1) }
}

func (g *garbage) addLarge(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	// At once: what is in use is seen only when it has become too much.
	if g.large += n; g.large > 0 {
		g.change(gcPercent)
	}
}

// followGarbage does so for this process, for as long as it runs.
func followGarbage() {
	debug.SetGCPercent(gcPercent)
	time.AfterFunc(startup, func() {
		debug.FreeOSMemory()
		_, _ = forgetProgram() // then it takes more memory, and works as well
		g := &garbage{percent: gcPercent, set: func(percent int) { debug.SetGCPercent(percent) }}
		following.Store(g)
		afterCollection(func() { g.collected(time.Now(), inUse()) })
	})
}

// afterCollection calls f after each collection of garbage.
func afterCollection(f func()) {
	// It is collected next time. What has no pointer may share its place with what
	// is not.
	marker := &struct{ self *int }{new(int)}
	runtime.AddCleanup(marker, func(f func()) {
		f()
		afterCollection(f)
	}, f)
}

// inUse is how many bytes the last collection left, with the stacks of goroutines:
// what a percentage of garbage is of. A thousand connections have 20 MB of stacks.
func inUse() (all uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	for _, sample := range samples {
		if sample.Value.Kind() == metrics.KindUint64 {
			all += sample.Value.Uint64()
		}
	}
	return all
}

// collected is told of a collection, and of how much is in use after it.
func (g *garbage) collected(now time.Time, inUse uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case now.Sub(g.last) < soon:
		g.inRow++
	case g.percent == gcPercent && g.large == 0: // else collections are rare because of that
		g.inRow = 0
	}
	g.last = now
	want := gcPercent
	if g.inRow >= busyAfter && g.large == 0 {
		want = min(max(int(busyGarbage*100/max(inUse, 1)), gcPercent), maxPercent)
	}
	g.change(want)
	if g.inRow < busyAfter {
		return
	}
	if g.quiet == nil {
		g.quiet = time.AfterFunc(quietAfter, g.rest)
		return
	}
	g.quiet.Reset(quietAfter)
}

// rest is called when there was no collection for a while.
func (g *garbage) rest() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inRow = 0
	g.change(gcPercent)
}

// change is called with the lock held. It stops everything for a moment, so that
// little differences are left.
func (g *garbage) change(percent int) {
	if percent == g.percent || percent != gcPercent && abs(percent-g.percent)*4 < g.percent {
		return
	}
	g.percent = percent
	g.set(percent)
}

func abs(n int) int { return max(n, -n) }
