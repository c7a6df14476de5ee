package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
)

// What a server may refuse for, to be used with [errors.Is]: one for each code of
// the API, which [adminapi.Code] lists. Where the same request may pass later,
// [adminapi.Problem] says when.
var (
	// ErrInvalid: the request itself is wrong, such as a name outside the grammar
	// or a body that is too large.
	ErrInvalid = errors.New("invalid request")
	// ErrUnauthorized: no credentials, or wrong ones.
	ErrUnauthorized = errors.New("not logged in")
	// ErrForbidden: the caller is no admin, and what is asked for is not its own.
	ErrForbidden = errors.New("not allowed")
	// ErrPasswordNeeded: a token is not enough for that, log in with a password.
	ErrPasswordNeeded = errors.New("a password is needed")
	// ErrPasswordAgain: who signed in at the page has to give the password once more.
	ErrPasswordAgain = errors.New("the password is needed again")
	// ErrHTTPSNeeded: the server takes credentials over HTTPS alone.
	ErrHTTPSNeeded = errors.New("HTTPS needed")
	// ErrNotFound: a subject, membership, permission, token or key does not exist,
	// or the API has no such path.
	ErrNotFound = errors.New("not found")
	// ErrMethod: the path does not take that method. A server of another version
	// answers so.
	ErrMethod = errors.New("method not allowed")
	// ErrExists: the name is taken.
	ErrExists = errors.New("name is taken")
	// ErrConflict: a state document does not fit what is there.
	ErrConflict = errors.New("does not fit what is there")
	// ErrBuiltIn: a built-in subject takes permissions only.
	ErrBuiltIn = errors.New("built-in subject")
	// ErrLastAdmin: without that admin, Dockit could not be managed any more.
	ErrLastAdmin = errors.New("last enabled admin")
	// ErrKind: the change does not suit that kind of subject.
	ErrKind = errors.New("wrong kind of subject")
	// ErrIncluded: pull cannot be revoked where push stays.
	ErrIncluded = errors.New("pull is included in push")
	// ErrExternal: the key comes from a file, which is to be replaced instead.
	ErrExternal = errors.New("key comes from a file")
	// ErrTooEarly: registries may not know the next authority yet.
	ErrTooEarly = errors.New("too early")
	// ErrExpires: the authority ends too soon for another key under it.
	ErrExpires = errors.New("authority expires too soon")
	// ErrUnprotected: a binding would let in strangers, or more jobs than is likely
	// to be wanted.
	ErrUnprotected = errors.New("binding is unprotected")
	// ErrIssuer: an issuer does not answer rightly.
	ErrIssuer = errors.New("issuer does not answer rightly")
	// ErrTooMany: the subject has as many tokens or permissions as it may have, or
	// there are as many issuers or bindings as there may be.
	ErrTooMany = errors.New("too many")
	// ErrStale: the subject does not have the version of a [Condition] any more.
	// Read it again, and decide again.
	ErrStale = errors.New("changed in the meantime")
	// ErrThrottled: there were too many wrong passwords. The right one is refused
	// as well until the time is over.
	ErrThrottled = errors.New("too many wrong passwords")
	// ErrBusy: the same request may pass a little later.
	ErrBusy = errors.New("busy")
	// ErrNotReplicated: the change is made, and may be lost with the machine.
	ErrNotReplicated = errors.New("not replicated")
	// ErrStorage: the database cannot be written or read, such as on a full disk,
	// or it is not known whether the change was made.
	ErrStorage = errors.New("database out of order")
	// ErrInternal: something went wrong that only the log of the server names.
	ErrInternal = errors.New("internal error")
)

// sentinels are what [Error.Is] compares with.
var sentinels = map[adminapi.Code]error{
	adminapi.CodeInvalid:        ErrInvalid,
	adminapi.CodeUnauthorized:   ErrUnauthorized,
	adminapi.CodeForbidden:      ErrForbidden,
	adminapi.CodePasswordNeeded: ErrPasswordNeeded,
	adminapi.CodePasswordAgain:  ErrPasswordAgain,
	adminapi.CodeHTTPSNeeded:    ErrHTTPSNeeded,
	adminapi.CodeNotFound:       ErrNotFound,
	adminapi.CodeMethod:         ErrMethod,
	adminapi.CodeExists:         ErrExists,
	adminapi.CodeConflict:       ErrConflict,
	adminapi.CodeBuiltIn:        ErrBuiltIn,
	adminapi.CodeLastAdmin:      ErrLastAdmin,
	adminapi.CodeKind:           ErrKind,
	adminapi.CodeIncluded:       ErrIncluded,
	adminapi.CodeExternal:       ErrExternal,
	adminapi.CodeTooEarly:       ErrTooEarly,
	adminapi.CodeExpires:        ErrExpires,
	adminapi.CodeTooMany:        ErrTooMany,
	adminapi.CodeUnprotected:    ErrUnprotected,
	adminapi.CodeIssuer:         ErrIssuer,
	adminapi.CodeStale:          ErrStale,
	adminapi.CodeThrottled:      ErrThrottled,
	adminapi.CodeBusy:           ErrBusy,
	adminapi.CodeNotReplicated:  ErrNotReplicated,
	adminapi.CodeStorage:        ErrStorage,
	adminapi.CodeInternal:       ErrInternal,
}

// Error is an answer other than success. It is one of the errors above for
// [errors.Is], unless the answer comes from something else than an admin API.
type Error struct {
	// Server is the base URL.
	Server string
	// Status is the HTTP status.
	Status int
	// Problem is what the server says. Its code is empty when the answer does
	// not come from an admin API. RetryAfter, in seconds, is set where the server
	// says when to try again.
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
	sentinel, ok := sentinels[e.Problem.Code]
	return ok && sentinel == target
}

// refusal makes an error of an answer other than success.
func (c *Client) refusal(r request, response *http.Response, body []byte) error {
	e := &Error{Server: c.base.String(), Status: response.StatusCode}
	if isJSON(response.Header) && json.Unmarshal(body, &e.Problem) == nil && e.Problem.Code != "" {
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
			e.Problem.RetryAfter = seconds
		}
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
