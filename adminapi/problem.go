package adminapi

import "fmt"

// ProblemMediaType is the content type of a [Problem].
const ProblemMediaType = "application/problem+json"

// Code names a sort of problem for programs. A later server may send more codes.
type Code string

// The codes of a [Problem]. The Go client has an error for each.
const (
	CodeInvalid      Code = "invalid"      // 400, 413, 415, 422: the request itself
	CodeUnauthorized Code = "unauthorized" // 401: no credentials, or wrong ones
	CodeForbidden    Code = "forbidden"    // 403: not an admin, or a foreign site
	// CodePasswordNeeded, 403: it cannot be done with a token, or would make a
	// credential that can do more than the token.
	CodePasswordNeeded Code = "password_needed"
	// CodePasswordAgain, 401: a person at the page gave the password too long ago for
	// that.
	CodePasswordAgain Code = "password_again"
	CodeHTTPSNeeded   Code = "https_needed"   // 403: credentials go over HTTPS alone
	CodeNotFound      Code = "not_found"      // 404
	CodeMethod        Code = "method"         // 405
	CodeExists        Code = "exists"         // 409: the name is taken
	CodeConflict      Code = "conflict"       // 409: a document does not fit what is there
	CodeBuiltIn       Code = "built_in"       // 409: built-in subjects take permissions only
	CodeLastAdmin     Code = "last_admin"     // 409: without it Dockit could not be managed any more
	CodeKind          Code = "kind"           // 409: it does not suit that kind of subject
	CodeIncluded      Code = "included"       // 409: pull cannot go where push stays
	CodeExternal      Code = "brought"        // 409: the key comes from a file, which is to be replaced
	CodeTooEarly      Code = "too_early"      // 409: registries may not know the next authority yet
	CodeExpires       Code = "expires"        // 409: the authority ends too soon for a key under it
	CodeTooMany       Code = "too_many"       // 409: there are as many tokens, permissions, issuers or bindings as there may be
	CodeUnprotected   Code = "unprotected"    // 409: a binding would let in strangers, or more than is likely to be wanted
	CodeIssuer        Code = "issuer"         // 424: an issuer does not answer rightly
	CodeStale         Code = "stale"          // 412: changed in the meantime
	CodeThrottled     Code = "throttled"      // 429: too many wrong passwords, see Retry-After
	CodeBusy          Code = "busy"           // 503: try again a little later
	CodeNotReplicated Code = "not_replicated" // 503: the change is made, and may be lost with the machine
	CodeStorage       Code = "storage"        // 503: the database cannot be written or read, such as on a full disk
	CodeInternal      Code = "internal"       // 500: see the server's log
)

// Problem is the body of every error: [ProblemMediaType] (RFC 9457).
type Problem struct {
	Title  string `json:"title" doc:"The status in words."`
	Status int    `json:"status" doc:"The HTTP status."`
	Code   Code   `json:"code" doc:"What sort of problem it is, for programs."`
	Detail string `json:"detail,omitempty" doc:"What is wrong and what to do."`
	// Errors says what is wrong with single fields.
	Errors []FieldError `json:"errors,omitempty" doc:"What is wrong with single fields."`
	// RetryAfter is in how many seconds the same request may pass, zero when that
	// is not known. It stands in the header of that name.
	RetryAfter int `json:"-"`
}

// FieldError says what is wrong with one field of a request. It never repeats
// the value, which may be a secret.
type FieldError struct {
	Location string `json:"location,omitempty" example:"body.name"`
	Message  string `json:"message"`
}

// Error implements error.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return fmt.Sprintf("%d %s", p.Status, p.Title)
	}
	return p.Detail
}
