package registryview

import (
	"sync"
	"sync/atomic"
)

// each calls f with every index, so many at the same time, and waits for all.
func each(count, atOnce int, f func(i int)) {
	var (
		next atomic.Int64
		done sync.WaitGroup
	)
	for range min(count, atOnce) {
		done.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	done.Wait()
}
