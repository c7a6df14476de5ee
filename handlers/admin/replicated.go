package admin

import (
	"context"
	"errors"
	"net/http"

	"go.uber.org/zap"
)

// replicated acknowledges a change only when the store says that it is
// replicated, if there is anything to wait for. A request that asks again for
// what is there already, or removes what is gone, waits as well: the answer to
// the first one may have been that it is not known.
func (a *API) replicated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(&acknowledgement{ResponseWriter: w, api: a, request: r}, r)
	})
}

// tellsState reports whether an answer lets the caller take for made what the
// database holds: a success, or a refusal because of what is there or is not.
func tellsState(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed:
		return true
	default:
		return status < http.StatusBadRequest
	}
}

// acknowledgement is an answer that says what is in the database only when
// that is replicated.
type acknowledgement struct {
	http.ResponseWriter
	api     *API
	request *http.Request
	// begun is set once there is a status, refused when it is not the one that
	// was to be given.
	begun, refused bool
}

// WriteHeader implements [http.ResponseWriter].
func (w *acknowledgement) WriteHeader(status int) {
	if w.begun {
		return
	}
	w.begun = true
	if tellsState(status) {
		if err := w.api.config.Store.Replicated(w.request.Context()); err != nil {
			level := zap.ErrorLevel
			if errors.Is(w.request.Context().Err(), context.Canceled) {
				level = zap.InfoLevel // no client is there to acknowledge it to
			}
			w.api.config.Logger.Log(level, "a change is not acknowledged", zap.Error(err))
			w.refused = true
			w.Header().Del("Content-Length")
			w.Header().Del("ETag")
			w.Header().Del("Location")
			writeProblem(w.ResponseWriter, w.api.problemOf(w.request.Context(), err))
			return
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [io.Writer].
func (w *acknowledgement) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if w.refused {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (w *acknowledgement) Unwrap() http.ResponseWriter { return w.ResponseWriter }
