package passwords

import "time"

const (
	// refusalMargin is how much longer a refusal takes than the costliest check is
	// expected to, so that one which is late is still in time.
	refusalMargin = 2
	// maxRefusalTime bounds how long a refusal is held back.
	maxRefusalTime = 5 * time.Second
)

// refusalTime returns what a refusal takes from the beginning of its check on, with the
// costliest hash being so much work, or zero when there is nothing to hide.
func refusalTime(costliest float64, check time.Duration) time.Duration {
	return min(time.Duration(refusalMargin*costliest*float64(check)), maxRefusalTime)
}

// untilRefusal returns how long a refusal is held back that has taken some time: up
// to the time of a refusal or, for one that is late, the next multiple of it.
func untilRefusal(refusal, took time.Duration) time.Duration {
	if refusal <= 0 {
		return 0
	}
	return refusal - took%refusal
}
