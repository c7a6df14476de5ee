package cache

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/hedged"
	"github.com/dockit-registry/dockit/store"
)

const (
	// restFactor is how many times as long as it reads the refresh rests.
	restFactor = 9
	// longestRest bounds that: where a read took its time, the next one has to
	// come all the same before the database goes away.
	longestRest = time.Second
	// refreshInterval is how often memory is gone through at most: where changes
	// come all the time, few of them concern who is in it.
	refreshInterval = time.Second
	// maxRefreshFailures in a row end one round.
	maxRefreshFailures = 3
	// unusedAfter is how long something is kept up to date that no client uses:
	// who pushes once a day is there tomorrow.
	unusedAfter = 25 * time.Hour
)

// refresh reads again what is in memory after a change, what was used last
// first: should the database go away, what was not read since the last change
// would be of no use.
func (d *shared) refresh(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.changed:
		}
		interval := time.NewTimer(refreshInterval)
		refreshMemory(ctx, d, d.logins, d.source.Login)
		refreshMemory(ctx, d, d.accessTokens, d.readAccessToken)
		refreshMemory(ctx, d, d.refreshTokens, d.source.RefreshTokenLogin)
		refreshMemory(ctx, d, d.federation, func(ctx context.Context, _ struct{}) (store.Federation, error) { return d.source.Federation(ctx) })
		subjects := sync.OnceValue(d.subjects) // most changes concern no rights in memory
		refreshMemory(ctx, d, d.rights, func(ctx context.Context, h holder) (*access.Rights, error) {
			if h != (holder{}) && !subjects()[h.id] {
				return nil, store.ErrNotFound // of no use without credentials
			}
			return d.readRights(ctx, h)
		})
		select {
		case <-ctx.Done():
			interval.Stop()
			return
		case <-interval.C:
		}
	}
}

// subjects are those of whom credentials are in memory.
func (d *shared) subjects() map[int64]bool {
	ids := make(map[int64]bool)
	collectSubjects(d.logins, ids)
	collectSubjects(d.accessTokens, ids)
	collectSubjects(d.refreshTokens, ids)
	return ids
}

func collectSubjects[K comparable, V any](m *memory[K, V], ids map[int64]bool) {
	for key, e := range m.all() {
		ids[m.subject(key, e.value)] = true
	}
}

// refreshSoon has what is in memory gone through.
func (d *shared) refreshSoon() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// refreshMemory reads again what is not up to date, as long as the database
// answers.
func refreshMemory[K comparable, V any](ctx context.Context, d *shared, m *memory[K, V], read func(context.Context, K) (V, error)) {
	failures := 0
	for _, key := range m.outdated(d) {
		e, ok := m.peek(key)
		if !ok {
			continue
		}
		s, began := d.stampNow(), time.Now()
		reading, cancel := context.WithTimeout(ctx, readTimeout)
		value, err := hedged.Do(reading, hedged.ReadAgain, func(ctx context.Context) (V, error) { return read(ctx, key) })
		cancel()
		switch {
		case err == nil:
			failures = 0
			m.renew(key, e, value, s)
		case errors.Is(err, store.ErrNotFound):
			m.forget(key)
		default:
			if d.failing.Load() == nil {
				d.refreshSoon()
			}
			// One row may be bad; more than that is the database.
			if failures++; failures == maxRefreshFailures {
				return
			}
		}
		rest := time.NewTimer(min(restFactor*time.Since(began), longestRest))
		select {
		case <-ctx.Done():
			rest.Stop()
			return
		case <-rest.C:
		}
	}
}

// outdated lists what may have changed since it was read, what was used last
// first, and forgets what no client uses.
func (m *memory[K, V]) outdated(d *shared) []K {
	var outdated, unused []K
	for key, e := range m.all() {
		switch {
		case time.Since(time.Unix(0, e.used.Load())) > unusedAfter:
			unused = append(unused, key)
		case !d.current(e.stamp, m.subject(key, e.value)):
			outdated = append(outdated, key)
		}
	}
	for _, key := range unused {
		m.forget(key)
	}
	return outdated
}
