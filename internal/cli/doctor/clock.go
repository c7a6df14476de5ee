package doctor

import (
	"net/http"
	"time"
)

// clockApart is how far apart the clocks of a registry and of Dockit may be.
const clockApart = time.Minute

// clockReading is by how much another clock is ahead of this one, and how
// exactly that is known.
type clockReading struct {
	ahead, fuzz time.Duration
}

// reading is a look at another clock that has begun.
type reading struct{ began time.Time }

func startReading() reading { return reading{time.Now()} }

// read compares what the other clock showed at some time since the start.
func (r reading) read(other time.Time) clockReading {
	took := time.Since(r.began)
	return clockReading{ahead: other.Sub(r.began.Add(took / 2)), fuzz: took / 2}
}

// readDate does the same with the header of an answer, which shows seconds.
func (r reading) readDate(header http.Header) (clockReading, bool) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return clockReading{}, false
	}
	c := r.read(date.Add(500 * time.Millisecond))
	c.fuzz += 500 * time.Millisecond
	return c, true
}

// apart is by how much one clock is ahead of another, if that is certainly
// more than what tokens stand.
func (c clockReading) apart(other clockReading) (time.Duration, bool) {
	difference := c.ahead - other.ahead
	return difference.Round(time.Second), max(difference, -difference)-c.fuzz-other.fuzz > clockApart
}
