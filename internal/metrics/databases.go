package metrics

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/store"
)

// Databases measures the database of whatever configuration runs, and of what stands
// on it.
type Databases struct {
	mu        sync.Mutex
	databases []*database // the newest last
}

type database struct {
	store  *store.Store
	cache  *cache.Cache
	auth   *auth.Authenticator
	survey survey
}

// Add takes the database of a new configuration into account.
func (m *Databases) Add(s *store.Store, known *cache.Cache, authenticator *auth.Authenticator) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.databases = append(m.databases, &database{store: s, cache: known, auth: authenticator})
}

// Remove forgets the database of a configuration once.
func (m *Databases) Remove(s *store.Store) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.IndexFunc(m.databases, func(d *database) bool { return d.store == s }); i >= 0 {
		m.databases = slices.Delete(m.databases, i, i+1)
	}
}

func databaseMetric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("dockit_"+name, help, labels, nil)
}

var (
	databaseUp        = databaseMetric("database_up", "1 while the database answers, 0 while tokens are issued from memory.")
	clockSkew         = databaseMetric("clock_skew_seconds", "By how much the database's clock is ahead of this machine's. Absent for SQLite, which has no clock of its own.")
	revision          = databaseMetric("revision", "The latest state of the database that this node knows: every change raises it. Nodes that differ for more than two seconds do not hear of changes.")
	revisionConfirmed = databaseMetric("revision_confirmed_seconds", "How long ago the database was asked for its revision and answered.")

	cacheLookups = databaseMetric("cache_lookups_total", "What was looked up, by kind (login, access_token, refresh_token, rights, issuers) and result: hit from memory, miss from the database.", "kind", "result")
	cacheEntries = databaseMetric("cache_entries", "What is in memory, by kind.", "kind")
	cacheBytes   = databaseMetric("cache_bytes", "How much memory that takes, about, by kind.", "kind")

	passwordSlots    = databaseMetric("password_check_slots", "How many passwords are hashed at a time at most.")
	passwordsRunning = databaseMetric("password_checks_running", "Passwords that are being hashed.")
	passwordsQueued  = databaseMetric("password_checks_queued", "Passwords that wait to be hashed.")
	attempts         = databaseMetric("password_attempts", "Logins by password that wait for anything, or are being checked.")
	attemptsRoom     = databaseMetric("password_attempts_room", "How many of those there may be before others are turned away.")

	issuerAway     = databaseMetric("issuer_away_since_timestamp_seconds", "Since when a trusted issuer does not answer, in Unix time. Absent while it does.", "issuer")
	issuerKeys     = databaseMetric("issuer_keys_fetched_timestamp_seconds", "When a trusted issuer last answered with its keys, in Unix time. Absent before that, and for one whose keys were given by hand.", "issuer")
	issuerRefusals = databaseMetric("issuer_refusals_total", "Tokens of a trusted issuer that were refused, by reason.", "issuer", "reason")

	allDatabaseMetrics = []*prometheus.Desc{
		databaseUp, clockSkew, revision, revisionConfirmed, cacheLookups, cacheEntries, cacheBytes,
		passwordSlots, passwordsRunning, passwordsQueued, attempts, attemptsRoom, issuerAway, issuerKeys, issuerRefusals,
		lockedOut, tokensExpiring, nextTokenExpiry,
	}
)

// Describe implements [prometheus.Collector].
func (*Databases) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range allDatabaseMetrics {
		descriptions <- description
	}
}

// Collect implements [prometheus.Collector].
func (m *Databases) Collect(metrics chan<- prometheus.Metric) {
	m.mu.Lock()
	if len(m.databases) == 0 {
		m.mu.Unlock()
		return
	}
	newest := m.databases[len(m.databases)-1]
	m.mu.Unlock()
	newest.collectState(metrics)
	newest.collectCache(metrics)
	newest.collectAuth(metrics)
	newest.survey.collect(newest, metrics)
}

func (d *database) collectState(metrics chan<- prometheus.Metric) {
	up := 0.0
	if d.cache.Unavailable() == nil {
		up = 1
	}
	sendGauge(metrics, databaseUp, up)
	if clock := d.store.Clock(); clock.Apart {
		sendGauge(metrics, clockSkew, clock.Ahead.Seconds())
	}
}

func (d *database) collectCache(metrics chan<- prometheus.Metric) {
	s := d.cache.Stats()
	if s.Revision > 0 {
		sendGauge(metrics, revision, float64(s.Revision))
		sendGauge(metrics, revisionConfirmed, s.Confirmed.Seconds())
	}
	for _, memory := range s.Memories {
		sendCounter(metrics, cacheLookups, memory.Hits, memory.Kind, "hit")
		sendCounter(metrics, cacheLookups, memory.Misses, memory.Kind, "miss")
		sendGauge(metrics, cacheEntries, float64(memory.Entries), memory.Kind)
		sendGauge(metrics, cacheBytes, float64(memory.Bytes), memory.Kind)
	}
}

func (d *database) collectAuth(metrics chan<- prometheus.Metric) {
	s := d.auth.Stats()
	for description, value := range map[*prometheus.Desc]int{
		passwordSlots: s.Passwords.Slots, passwordsRunning: s.Passwords.Running, passwordsQueued: s.Passwords.Queued,
		attempts: s.Passwords.Attempts, attemptsRoom: s.Passwords.Room,
	} {
		sendGauge(metrics, description, float64(value))
	}
	for _, issuer := range s.Issuers {
		if !issuer.AwaySince.IsZero() {
			sendGauge(metrics, issuerAway, float64(issuer.AwaySince.Unix()), issuer.Name)
		}
		if !issuer.KeysFetched.IsZero() {
			sendGauge(metrics, issuerKeys, float64(issuer.KeysFetched.Unix()), issuer.Name)
		}
	}
	for refused, count := range s.Refusals {
		sendCounter(metrics, issuerRefusals, count, refused.Issuer, string(refused.Reason))
	}
}

// Interface guard
var _ prometheus.Collector = (*Databases)(nil)
