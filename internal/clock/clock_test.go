package clock

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
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
			assert.Equal(t, c.want, c.of.Age(), c.what)
		}
	})
}

func TestJumped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := This()
		time.Sleep(time.Minute)
		now := This()
		assert.Zero(t, now.Jumped(began), "jumped")
		for _, by := range []time.Duration{time.Hour, -time.Hour} {
			set := Moment{now.ticks, now.shown.Add(by)}
			assert.Equal(t, by, set.Jumped(began))
			assert.Equal(t, time.Minute, set.Since(began))
		}
	})
}
