package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
)

// What a server may refuse for, to be used with [errors.Is].
var (
	// ErrInvalid: the request itself is wrong.
	ErrInvalid = errors.New("invalid request")
	// ErrUnauthorized: no credentials, or wrong ones.
	ErrUnauthorized = errors.New("not logged in")
	// ErrForbidden: who asks is not an admin.
	ErrForbidden = errors.New("not allowed")
	// ErrPasswordNeeded: a token is not enough for that.
	ErrPasswordNeeded = errors.New("a password is needed")
	// ErrNotFound: a subject, membership or permission does not exist.
	ErrNotFound = errors.New("not found")
	// ErrExists: the name is taken.
	ErrExists = errors.New("name is taken")
	// ErrConflict: a state document does not fit what is there.
	ErrConflict = errors.New("does not fit what is there")
	// ErrBuiltIn: a built-in subject takes permissions only.
	ErrBuiltIn = errors.New("built-in subject")
	// ErrLastAdmin: nobody could manage Dockit any more.
	ErrLastAdmin = errors.New("last enabled admin")
	// ErrKind: the change does not suit that kind of subject.
	ErrKind = errors.New("wrong kind of subject")
	// ErrIncluded: pull cannot be revoked where push stays.
	ErrIncluded = errors.New("pull is included in push")
	// ErrBrought: the key comes from a file, which is to be replaced instead.
	ErrBrought = errors.New("key comes from a file")
	// ErrTooEarly: registries may not know the next authority yet.
	ErrTooEarly = errors.New("too early")
	// ErrExpires: the authority ends too soon for another key under it.
	ErrExpires = errors.New("authority expires too soon")
	// ErrHTTPSNeeded: the server takes credentials over HTTPS alone.
	ErrHTTPSNeeded = errors.New("HTTPS needed")
	// ErrStale: the subject was changed in the meantime.
	ErrStale = errors.New("changed in the meantime")
	// ErrTooMany: the subject has as many tokens or permissions as it may have.
	ErrTooMany = errors.New("too many")
	// ErrThrottled: there were too many wrong passwords.
	ErrThrottled = errors.New("too many wrong passwords")
	// ErrBusy: the same request may pass a little later.
	ErrBusy = errors.New("busy")
)

var codes = map[adminapi.Code]error{
	adminapi.CodeInvalid:        ErrInvalid,
	adminapi.CodeUnauthorized:   ErrUnauthorized,
	adminapi.CodeForbidden:      ErrForbidden,
	adminapi.CodePasswordNeeded: ErrPasswordNeeded,
	adminapi.CodeHTTPSNeeded:    ErrHTTPSNeeded,
	adminapi.CodeNotFound:       ErrNotFound,
	adminapi.CodeExists:         ErrExists,
	adminapi.CodeConflict:       ErrConflict,
	adminapi.CodeBuiltIn:        ErrBuiltIn,
	adminapi.CodeLastAdmin:      ErrLastAdmin,
	adminapi.CodeKind:           ErrKind,
	adminapi.CodeIncluded:       ErrIncluded,
	adminapi.CodeExternal:       ErrBrought,
	adminapi.CodeTooEarly:       ErrTooEarly,
	adminapi.CodeExpires:        ErrExpires,
	adminapi.CodeStale:          ErrStale,
	adminapi.CodeTooMany:        ErrTooMany,
	adminapi.CodeThrottled:      ErrThrottled,
	adminapi.CodeBusy:           ErrBusy,
}

// Error is an answer other than success.
type Error struct {
	// Server is the base URL.
	Server string
	// Status is the HTTP status.
	Status int
	// Problem is what the server says. Its code is empty when the answer does
	// not come from an admin API.
	Problem adminapi.Problem
}

// Error names the server, the status and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Server, e.Problem.Detail)
	for _, field := range e.Problem.Errors {
		fmt.Fprintf(&b, ": %s", field.Message)
		if field.Location != "" {
			fmt.Fprintf(&b, " (%s)", field.Location)
		}
	}
	fmt.Fprintf(&b, " (%d %s)", e.Status, http.StatusText(e.Status))
	return b.String()
}

// Is reports whether target is the sort of refusal that this is.
func (e *Error) Is(target error) bool {
	sort, ok := codes[e.Problem.Code]
	return ok && sort == target
}

// refusal makes an error of an answer other than success.
func (c *Client) refusal(r request, response *http.Response, body []byte) error {
	e := &Error{Server: c.base.String(), Status: response.StatusCode}
	if isJSON(response.Header) && json.Unmarshal(body, &e.Problem) == nil && e.Problem.Code != "" {
		return e
	}
	return c.foreign(r, response)
}

// foreign makes an error of an answer that no admin API gives.
func (c *Client) foreign(r request, response *http.Response) error {
	e := &Error{Server: c.base.String(), Status: response.StatusCode}
	e.Problem.Status = response.StatusCode
	if response.StatusCode == http.StatusRequestEntityTooLarge {
		e.Problem.Detail = "a proxy in front of Dockit refuses what was sent because it is too large: raise its limit, such as client_max_body_size of nginx"
		return e
	}
	if location := response.Header.Get("Location"); location != "" && response.StatusCode/100 == 3 {
		e.Problem.Detail = fmt.Sprintf("it redirects to %q: if that is Dockit, use it as base URL", location)
	} else {
		e.Problem.Detail = fmt.Sprintf("%s %s%s was not answered by a Dockit admin API: check the base URL, and that the API is served there", r.method, strings.TrimSuffix(adminapi.Prefix, "/"), r.path)
	}
	return e
}
