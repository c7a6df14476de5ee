package handlers

import (
	"encoding/json"
	"net/http"
)

// StatusClientClosed is what is logged for a client that left before it was
// answered: Caddy has it for those, too, and logs 5xx as errors.
const StatusClientClosed = 499

// Error codes of RFC 6749 section 5.2.
const (
	errorInvalidRequest   = "invalid_request"
	errorInvalidGrant     = "invalid_grant"
	errorUnsupportedGrant = "unsupported_grant_type"
	errorInvalidTarget    = "invalid_target"         // RFC 8693 section 2.2.2
	errorUnsupportedToken = "unsupported_token_type" // RFC 7009 section 2.2.1
	errorServer           = "server_error"
	errorUnavailable      = "temporarily_unavailable"
)

// errorBody is understood by clients of the distribution specification, which
// show errors[0].message, and by clients of RFC 6749 alike.
type errorBody struct {
	Errors           []registryError `json:"errors"`
	Error            string          `json:"error"`
	ErrorDescription string          `json:"error_description"`
}

type registryError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Detail  any    `json:"detail"`
}

// registryCodes are the error codes of the distribution specification that
// clients know.
var registryCodes = map[int]string{
	http.StatusUnauthorized:        "UNAUTHORIZED",
	http.StatusForbidden:           "DENIED",
	http.StatusTooManyRequests:     "TOOMANYREQUESTS",
	http.StatusInternalServerError: "UNKNOWN",
	http.StatusServiceUnavailable:  "UNAVAILABLE",
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	registryCode, ok := registryCodes[status]
	switch {
	case code == errorInvalidGrant: // which is 400 for a refresh token
		registryCode = "UNAUTHORIZED"
	case !ok:
		registryCode = "UNSUPPORTED"
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="Dockit", charset="UTF-8"`)
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, errorBody{
		Errors:           []registryError{{Code: registryCode, Message: message}},
		Error:            code,
		ErrorDescription: message,
	})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone
}

// allowOnly refuses every method but the given ones.
func allowOnly(w http.ResponseWriter, r *http.Request, methods string) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", methods)
	writeError(w, http.StatusMethodNotAllowed, errorInvalidRequest, r.Method+" is not supported here: use "+methods)
	return false
}
