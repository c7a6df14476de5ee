package handlers

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/dockit-registry/dockit/internal/printable"
)

// Grants of RFC 6749 that are answered.
const (
	grantPassword = "password"
	grantRefresh  = "refresh_token"
)

// parseTokenForm reads a request by POST, as the distribution project's OAuth 2
// specification has it. Everything comes from the body: a query string ends up
// in logs, and nothing of it is read.
func (s *Server) parseTokenForm(r *http.Request) (tokenRequest, error) {
	form, err := readForm(r)
	if err != nil {
		return tokenRequest{}, err
	}
	request := tokenRequest{oauth: true, offline: form.Get("access_type") == "offline", client: form.Get("client_id")}
	for _, name := range []string{"grant_type", "username", "password", "refresh_token"} {
		if n := len(form[name]); n > 1 {
			return request, invalidRequest("the parameter %s is given %d times: give it once", name, n)
		}
	}
	if request.credentials, err = s.grantOf(form); err != nil {
		return request, err
	}
	return request, s.parseResources(&request, form)
}

// grantOf reads by what the client proves who asks.
func (s *Server) grantOf(form url.Values) (credentials, error) {
	given := credentials{given: true}
	type field struct {
		name  string
		value *string
	}
	var fields []field
	switch grant := form.Get("grant_type"); {
	case grant == "":
		return credentials{}, invalidRequest("the parameter grant_type is missing: use %s", s.grants())
	case grant == grantPassword:
		fields = []field{{"username", &given.username}, {"password", &given.password}}
	case grant == grantRefresh && s.config.Auth.Options().RefreshTokens:
		fields = []field{{"refresh_token", &given.refreshToken}}
	case grant == grantRefresh:
		// Who asks has a token from when they were on. containerd tries another
		// way on 400, and docker shows the message.
		return credentials{}, &refusal{
			status: http.StatusBadRequest, code: errorUnsupportedGrant,
			message: fmt.Sprintf("the grant type %q is switched off here, and what docker login stored is not valid any more: log in again", grantRefresh),
			outcome: outcomeUnauthorized,
		}
	default:
		return credentials{}, &refusal{
			status: http.StatusBadRequest, code: errorUnsupportedGrant,
			message: fmt.Sprintf("the grant type %q is not supported here: use %s", printable.Clip(grant), s.grants()), outcome: outcomeInvalid,
		}
	}
	for _, f := range fields {
		if *f.value = form.Get(f.name); *f.value == "" {
			return credentials{}, invalidRequest("the parameter %s is missing", f.name)
		}
	}
	return given, nil
}

func (s *Server) grants() string {
	if s.config.Auth.Options().RefreshTokens {
		return grantPassword + " or " + grantRefresh
	}
	return grantPassword
}

// readForm reads the body of a request.
func readForm(r *http.Request) (url.Values, error) {
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
	form, err := url.ParseQuery(string(body))
	if err != nil {
		// The error would repeat what is malformed, which may be a password.
		return nil, invalidRequest("malformed form in the body")
	}
	return form, nil
}
