package cache

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/hedged"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
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

// refresh reads again what is in memory after a change, what is used most
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
		refreshMemory(ctx, d, d.accessTokens, d.source.AccessTokenLogin)
		refreshMemory(ctx, d, d.refreshTokens, d.source.RefreshTokenLogin)
		subjects := sync.OnceValue(d.subjects) // most changes concern no rights in memory
		refreshMemory(ctx, d, d.permissions, func(ctx context.Context, id int64) ([]access.Permission, error) {
			switch {
			case id == anonymous:
				return permissionsOf(d.source.AnonymousPermissions(ctx))
			case !subjects()[id]:
				return nil, store.ErrNotFound // of no use without credentials
			}
			return permissionsOf(d.source.EffectivePermissionsByID(ctx, id, subject.Ref{Kind: subject.User}))
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
	for key, e := range m.entries.All() {
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
		e, ok := m.entries.GetEntryQuietly(key)
		if !ok {
			continue
		}
		s, began := d.stampNow(), time.Now()
		reading, cancel := context.WithTimeout(ctx, readTimeout)
		value, err := hedged.Do(reading, readAgain, func(ctx context.Context) (V, error) { return read(ctx, key) })
		cancel()
		switch {
		case err == nil:
			failures = 0
			m.renew(key, e.Value, value, s)
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

// outdated lists what may have changed since it was read, what is used most
// first, and forgets what no client uses.
func (m *memory[K, V]) outdated(d *shared) []K {
	var outdated, unused []K
	for e := range m.entries.Hottest() {
		switch {
		case time.Since(time.Unix(0, e.Value.used.Load())) > unusedAfter:
			unused = append(unused, e.Key)
		case !d.current(e.Value.stamp, m.subject(e.Key, e.Value.value)):
			outdated = append(outdated, e.Key)
		}
	}
	for _, key := range unused {
		m.forget(key)
	}
	return outdated
}
