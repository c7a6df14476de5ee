package handlers

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/store"
)

// serveHealth says that the process answers.
func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request) {
	if allowOnly(w, r, "GET, HEAD") {
		writeAnswer(w, http.StatusOK, map[string]string{"status": "ok"})
	}
}

// readiness is what this node can do.
type readiness struct {
	// Status is ready, degraded when tokens are issued and changes are not
	// made, or not ready.
	Status string `json:"status"`
	// Issue is whether tokens are issued: by what the database says, or from
	// memory.
	Issue bool `json:"issue"`
	// Change is whether the database takes changes, and they are acknowledged.
	Change bool `json:"change"`
	// Reason is what is wrong, and until when memory serves.
	Reason string     `json:"reason,omitempty"`
	Until  *time.Time `json:"until,omitempty"`
	// ClockSkew is by how many seconds the database's clock is ahead of this
	// machine's, when the clocks are in doubt: this node is ready all the same,
	// because it goes by the database's.
	ClockSkew *float64 `json:"clock_skew_seconds,omitempty"`
	// IssuersAway are the trusted issuers that do not answer, and since when. This
	// node is ready all the same: the keys that they published last go on.
	IssuersAway map[string]time.Time `json:"issuers_away,omitempty"`
}

// serveReady says whether tokens can be issued and whether changes can be made.
// The status is 503 when tokens cannot be issued, and with ?can=change when
// changes cannot be made.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	if !allowOnly(w, r, "GET, HEAD") {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	can := r.URL.Query().Get("can")
	if can != "" && can != "issue" && can != "change" {
		writeError(w, http.StatusBadRequest, errorInvalidRequest, "unknown can: ask for issue or change")
		return
	}
	// A probe that only asks about tokens costs no write.
	changes := s.config.Store.RefusesChanges
	if can == "change" {
		changes = s.config.Store.CanChange
	}
	answer := s.readiness(ctx, changes)
	status := http.StatusOK
	if !answer.Issue || can == "change" && !answer.Change {
		status = http.StatusServiceUnavailable
	}
	writeAnswer(w, status, answer)
}

func (s *Server) readiness(ctx context.Context, changes func(context.Context) error) readiness {
	var reasons []error
	answer := readiness{Status: "ready", Issue: true, Change: true, IssuersAway: s.config.Auth.AwayIssuers()}
	status := s.config.Auth.Cache().Status(ctx)
	switch {
	case status.Unavailable != nil:
		answer.Change, answer.Issue = false, status.Recalls
		if status.Recalls {
			answer.Until = &status.Until
			reasons = append(reasons, errors.New("the database does not answer; tokens are issued from memory"))
		} else {
			reasons = append(reasons, errors.New("the database does not answer"))
		}
	default:
		if err := changes(ctx); err != nil {
			answer.Change = false
			if errors.Is(err, store.ErrNotReplicated) {
				reasons = append(reasons, errors.New("changes are made, and not replicated"))
			} else {
				reasons = append(reasons, errors.New("the database takes no changes"))
			}
			if !errors.Is(ctx.Err(), context.Canceled) { // by a probe that left
				s.config.Logger.Warn("changes cannot be made", zap.Error(err), hintField(err))
			}
		}
	}
	if clock := s.config.Store.Clock(); clock.Fault != "" {
		skew := clock.Ahead.Round(time.Millisecond).Seconds()
		answer.ClockSkew = &skew
		reasons = append(reasons, errors.New(clock.Fault+"; nothing is removed because of its age"))
	}
	for _, name := range s.serviceNames() {
		if _, err := s.config.Ring.SigningKey(name); err != nil {
			s.config.Logger.Warn("not ready: no key can sign", zap.String("service", name), zap.Error(err))
			answer.Issue = false
			reasons = append(reasons, errors.New("no key can sign"))
			break
		}
	}
	switch {
	case !answer.Issue:
		answer.Status = "not ready"
	case !answer.Change:
		answer.Status = "degraded"
	}
	if err := errors.Join(reasons...); err != nil {
		answer.Reason = err.Error()
	}
	return answer
}

// hintField is a log field that says what to do about an error of the database.
func hintField(err error) zap.Field {
	if hint := store.Hint(err); hint != "" {
		return zap.String("remedy", hint)
	}
	return zap.Skip()
}

func writeAnswer(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, answer)
}
