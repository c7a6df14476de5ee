package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/store"
)

const (
	// surveyEvery is how often the database is asked at most, and surveyRest how many
	// times as long as that took it is left alone afterwards.
	surveyEvery = time.Minute
	surveyRest  = 100
	// surveyTimeout bounds that, and surveyPatience how long a scrape waits for it.
	surveyTimeout  = 10 * time.Second
	surveyPatience = time.Second
)

// survey is what only the database knows. It is asked when a collector wants to know,
// and not by each scrape.
type survey struct {
	mu      sync.Mutex
	found   *surveyed
	again   time.Time
	running chan struct{} // closed at the end of what runs, or nil
}

type surveyed struct {
	lockedOut int
	expiring  store.Expiring
}

var (
	lockedOut       = databaseMetric("locked_out", "Names and networks that are locked out after wrong passwords, of a minute ago at most. Absent while the database does not answer.")
	tokensExpiring  = databaseMetric("access_tokens_expiring", "Access tokens of owners who are not disabled that end within 1d, 7d or 30d, each also those before. Absent while the database does not answer.", "within")
	nextTokenExpiry = databaseMetric("access_token_next_expiry_timestamp_seconds", "When the next of those ends, in Unix time. Absent when none does.")
)

// collect sends what was found last, after asking anew if that is due.
func (s *survey) collect(d *database, metrics chan<- prometheus.Metric) {
	found := s.refreshed(d)
	if found == nil || d.cache.Unavailable() != nil {
		return
	}
	sendGauge(metrics, lockedOut, float64(found.lockedOut))
	sendGauge(metrics, tokensExpiring, float64(found.expiring.Day), "1d")
	sendGauge(metrics, tokensExpiring, float64(found.expiring.Week), "7d")
	sendGauge(metrics, tokensExpiring, float64(found.expiring.Month), "30d")
	if next := found.expiring.Next; !next.IsZero() {
		sendGauge(metrics, nextTokenExpiry, float64(next.Unix()))
	}
}

func (s *survey) refreshed(d *database) *surveyed {
	s.mu.Lock()
	if s.running == nil && time.Now().After(s.again) && d.cache.Unavailable() == nil {
		s.running = make(chan struct{})
		go s.ask(d)
	}
	running := s.running
	s.mu.Unlock()
	if running != nil {
		select {
		case <-running:
		case <-time.After(surveyPatience):
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found
}

// ask asks the database. One that is closed meanwhile, or that does not answer, is no
// error: its reader reports that.
func (s *survey) ask(d *database) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), surveyTimeout)
	defer cancel()
	found, err := surveyOf(ctx, d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.found = found
	}
	s.again = time.Now().Add(max(surveyEvery, surveyRest*time.Since(began)))
	close(s.running)
	s.running = nil
}

func surveyOf(ctx context.Context, d *database) (*surveyed, error) {
	expiring, err := d.store.ExpiringAccessTokens(ctx)
	if err != nil {
		return nil, err
	}
	lockouts, err := d.auth.Lockouts(ctx)
	if err != nil {
		return nil, err
	}
	return &surveyed{lockedOut: countLocked(lockouts), expiring: expiring}, nil
}

func countLocked(lockouts []auth.Lockout) (locked int) {
	for _, lockout := range lockouts {
		if !lockout.Until.IsZero() {
			locked++
		}
	}
	return locked
}
