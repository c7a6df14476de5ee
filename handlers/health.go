package handlers

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/store"
)

// serveHealth says that the process answers.
func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request) {
	if allowOnly(w, r, "GET, HEAD") {
		writeStatus(w, http.StatusOK, "ok")
	}
}

// serveReady says whether tokens can be issued: the database answers a query
// and every service has a key that can sign.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	if !allowOnly(w, r, "GET, HEAD") {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	if err := s.config.Store.Ping(ctx); err != nil {
		s.config.Logger.Warn("not ready: the database does not answer", zap.Error(err), remedyField(err))
		writeStatus(w, http.StatusServiceUnavailable, "the database does not answer")
		return
	}
	for _, name := range s.serviceNames() {
		if _, err := s.config.Ring.SigningKey(name); err != nil {
			s.config.Logger.Warn("not ready: no key can sign", zap.String("service", name), zap.Error(err))
			writeStatus(w, http.StatusServiceUnavailable, "no key can sign")
			return
		}
	}
	writeStatus(w, http.StatusOK, "ready")
}

// remedyField tells the log what to do about an error of the database.
func remedyField(err error) zap.Field {
	if remedy := store.Remedy(err); remedy != "" {
		return zap.String("remedy", remedy)
	}
	return zap.Skip()
}

func writeStatus(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, map[string]string{"status": text})
}
