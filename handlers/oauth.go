package handlers

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/dockit-registry/dockit/internal/printable"
)

// Grants of RFC 6749 that are answered.
const (
	grantPassword = "password"
	grantRefresh  = "refresh_token"
)

const grants = grantPassword + ", " + grantRefresh + " or " + grantExchange

// parseTokenForm reads a request by POST, as the distribution project's OAuth 2
// specification has it. Everything comes from the body: a query string ends up
// in logs, and nothing of it is read.
func (s *Server) parseTokenForm(form parameters) (request tokenRequest, err error) {
	request = tokenRequest{oauth: true, offline: form.first("access_type") == "offline", client: form.first("client_id")}
	for _, name := range []string{"grant_type", "username", "password", "refresh_token"} {
		if n := form.count(name); n > 1 {
			return request, invalidRequest("the parameter %s is given %d times: give it once", name, n)
		}
	}
	if request.credentials, err = grantOf(form); err != nil {
		return request, err
	}
	return request, s.parseResources(&request, form)
}

// grantOf reads by what the client proves who asks.
func grantOf(form parameters) (credentials, error) {
	given := credentials{given: true}
	type field struct {
		name  string
		value *string
	}
	var fields []field
	switch grant := form.first("grant_type"); {
	case grant == "":
		return credentials{}, invalidRequest("the parameter grant_type is missing: use %s", grants)
	case grant == grantPassword:
		fields = []field{{"username", &given.username}, {"password", &given.password}}
	case grant == grantRefresh:
		fields = []field{{"refresh_token", &given.refreshToken}}
	default:
		return credentials{}, &refusal{
			status: http.StatusBadRequest, code: errorUnsupportedGrant,
			message: fmt.Sprintf("the grant type %q is not supported here: use %s", printable.Clip(grant), grants), outcome: outcomeInvalid, cause: causeUnsupportedGrant,
		}
	}
	for _, f := range fields {
		if *f.value = form.first(f.name); *f.value == "" {
			return credentials{}, invalidRequest("the parameter %s is missing", f.name)
		}
	}
	return given, nil
}

// readForm reads the body of a request.
func readForm(r *http.Request) (parameters, error) {
	const formType = "application/x-www-form-urlencoded"
	// Clients add a charset, which says nothing: the form is ASCII.
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != formType {
		return nil, invalidRequest("the body must be of type %s", formType)
	}
	body, err := io.ReadAll(r.Body)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, invalidRequest("the body is longer than %d KB: ask for fewer scopes at once", tooLarge.Limit>>10)
	}
	if err != nil {
		return nil, invalidRequest("the body ends too early")
	}
	form, err := parseParameters(string(body))
	if err != nil {
		// The error would repeat what is malformed, which may be a password.
		return nil, invalidRequest("malformed form in the body")
	}
	return form, nil
}
