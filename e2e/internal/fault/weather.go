package fault

import (
	"maps"
	"math/rand/v2"
	"sync"
	"time"
)

// Fault is what happens to a packet.
type Fault string

// The faults. Within one connection TCP changes no order: who gets a packet before its time has a broken connection, and
// has to notice it.
const (
	Cut           Fault = "cut"
	HalveAndCut   Fault = "halved, cut"
	HalveAndStall Fault = "halved, stalled"
	Stall         Fault = "stalled"
	Delay         Fault = "delayed"
	Slice         Fault = "in two parts"
	Reorder       Fault = "reordered"
)

// Faults are all of them.
var Faults = []Fault{Cut, HalveAndCut, HalveAndStall, Stall, Delay, Slice, Reorder}

// silence is how long nothing comes from a line that is stalled, unless the weather changes: longer than any client waits.
const silence = 20 * time.Second

// Weather is how bad a line is. The zero value is good weather.
type Weather struct {
	// Name is for people.
	Name string
	// Odds is how many packets of a thousand have one of Faults, each as likely as the other ones.
	Odds   int
	Faults []Fault
	// Longest is how long a packet is delayed at most. Most are for much less.
	Longest time.Duration
	// Silent takes connections and answers nothing, Refuse takes none and cuts those that are there.
	Silent, Refuse bool
}

// pick chooses what happens to a packet, mostly nothing.
func (w Weather) pick(random *rand.Rand) Fault {
	switch {
	case w.Silent:
		return Stall
	case len(w.Faults) == 0 || random.IntN(1000) >= w.Odds:
		return ""
	}
	return w.Faults[random.IntN(len(w.Faults))]
}

func (w Weather) delay(random *rand.Rand) time.Duration {
	part := random.Float64()
	return time.Duration(part * part * part * float64(w.Longest))
}

// tally counts faults by name.
type tally struct {
	mu sync.Mutex
	of map[string]int64
}

func (t *tally) add(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[string]int64{}
	}
	t.of[name]++
}

func (t *tally) read() map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.of)
}
