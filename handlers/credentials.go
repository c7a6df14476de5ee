package handlers

import (
	"errors"
	"net/http"
)

// credentials are what a request brought to prove who asks.
type credentials struct {
	// given is false for an anonymous request.
	given              bool
	username, password string
	// refreshToken is set for a grant by refresh token, which has nothing else.
	refreshToken string
}

var errMalformedCredentials = errors.New("malformed Authorization header: send HTTP Basic with base64 of username:password")

// credentialsOf reads HTTP Basic, split at the first colon (RFC 7617). More
// than one header, or another scheme, is malformed: guessing which one was
// meant would be a way around a proxy that looks at the other.
func credentialsOf(r *http.Request) (credentials, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return credentials{}, nil
	}
	username, password, ok := r.BasicAuth()
	if !ok || len(values) > 1 {
		return credentials{}, errMalformedCredentials
	}
	return credentials{given: true, username: username, password: password}, nil
}
