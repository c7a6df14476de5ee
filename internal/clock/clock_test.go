package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := This()
		time.Sleep(time.Minute)
		for _, c := range []struct {
			what string
			of   Moment
			want time.Duration
		}{
			{"as it passes", began, time.Minute},
			{"after the clock was set back", Moment{began.ticks, began.shown.Add(time.Hour)}, time.Minute},
			{"after the clock was set forward, or a sleep", Moment{began.ticks, began.shown.Add(-time.Hour)}, time.Hour + time.Minute},
		} {
			if age := c.of.Age(); age != c.want {
				t.Errorf("%s: %s, want %s", c.what, age, c.want)
			}
		}
	})
}

func TestJumped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := This()
		time.Sleep(time.Minute)
		now := This()
		if by := now.Jumped(began); by != 0 {
			t.Errorf("jumped by %s", by)
		}
		for _, by := range []time.Duration{time.Hour, -time.Hour} {
			set := Moment{now.ticks, now.shown.Add(by)}
			if got := set.Jumped(began); got != by || set.Since(began) != time.Minute {
				t.Errorf("jumped by %s within %s, want %s within a minute", got, set.Since(began), by)
			}
		}
	})
}
