package store

import (
	"context"
	"fmt"
	"time"
)

// Expiring says how many access tokens end soon. Those of disabled owners do not count.
type Expiring struct {
	// Day, Week and Month count those that end within 24 hours, 7 days and 30 days,
	// each also those before.
	Day, Week, Month int64
	// Next is when the next one ends, zero when none does.
	Next time.Time
}

// ExpiringAccessTokens counts the access tokens that end soon. It looks at all that
// there are.
func (s *Store) ExpiringAccessTokens(ctx context.Context) (Expiring, error) {
	const day = 24 * time.Hour
	now := s.now()
	var (
		e    Expiring
		next int64
	)
	err := s.reader.QueryRowContext(ctx, `
		SELECT COUNT(CASE WHEN t.expires_at <= ? THEN 1 END), COUNT(CASE WHEN t.expires_at <= ? THEN 1 END),
		       COUNT(CASE WHEN t.expires_at <= ? THEN 1 END), COALESCE(MIN(t.expires_at), 0)
		FROM access_tokens t JOIN subjects s ON s.id = t.subject_id WHERE t.expires_at > ? AND s.disabled = 0`,
		timestamp(now.Add(day)), timestamp(now.Add(7*day)), timestamp(now.Add(30*day)), timestamp(now)).Scan(&e.Day, &e.Week, &e.Month, &next)
	if err != nil {
		return Expiring{}, fmt.Errorf("count the access tokens that end soon: %w", err)
	}
	e.Next = optionalTime(next)
	return e, nil
}
