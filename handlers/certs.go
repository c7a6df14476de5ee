package handlers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"go.uber.org/zap"
)

// servePEM answers with the certificates that a registry must trust, for its
// REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE.
func (s *Server) servePEM(w http.ResponseWriter, r *http.Request) {
	if service, ok := s.trustingService(w, r); ok {
		writeTrust(w, r, "application/x-pem-file", s.config.Ring.Bundle(service))
	}
}

// serveJWKS answers with the keys that tokens may be signed with, as a JWK set
// (RFC 7517), for a registry's REGISTRY_AUTH_TOKEN_JWKS.
func (s *Server) serveJWKS(w http.ResponseWriter, r *http.Request) {
	service, ok := s.trustingService(w, r)
	if !ok {
		return
	}
	body, err := json.MarshalIndent(s.config.Ring.KeySet(service), "", "  ")
	if err != nil {
		s.config.Logger.Error("cannot write the JWK set", zap.Error(err))
		writeError(w, http.StatusInternalServerError, errorServer, "cannot write the JWK set: see the log of Dockit")
		return
	}
	writeTrust(w, r, "application/jwk-set+json", body)
}

// serveJWS answers with both of the above, signed with the keys that registries
// trust already: so that a client with the present certificates can check that the next
// ones are this server's.
func (s *Server) serveJWS(w http.ResponseWriter, r *http.Request) {
	service, ok := s.trustingService(w, r)
	if !ok {
		return
	}
	body, err := s.config.Ring.Statement(service)
	if err != nil {
		s.config.Logger.Error("cannot sign what registries are to trust", zap.Error(err))
		writeError(w, http.StatusServiceUnavailable, errorUnavailable, "cannot sign what registries are to trust: see the log of Dockit")
		return
	}
	writeTrust(w, r, "application/jose+json", body)
}

// trustingService reads the optional parameter service. Without it, what all
// services share is meant.
func (s *Server) trustingService(w http.ResponseWriter, r *http.Request) (string, bool) {
	if !allowOnly(w, r, "GET, HEAD") {
		return "", false
	}
	name := r.URL.Query().Get("service")
	if _, known := s.services[name]; name != "" && !known {
		_ = s.refuse(r.Context(), w, s.unknownService(name))
		return "", false
	}
	return name, true
}

// writeTrust answers with an entity tag, so that watching for a new bundle is
// cheap.
func writeTrust(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	sum := sha256.Sum256(body)
	etag := `"` + hex.EncodeToString(sum[:16]) + `"`
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", etag)
	if strings.Contains(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body) //nolint:gosec // PEM and JSON of our own making, and their content type says so
}
