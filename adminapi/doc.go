// Package adminapi holds what travels over the admin API: the bodies of its
// requests and answers, and its paths. The server and the Go client share it.
//
// Names are written in snake_case, times in RFC 3339 and UTC, subjects as
// user:alice, permissions as repository:team/*:push. A later server may send more
// fields: a program passes over those that it does not know.
package adminapi

// Prefix is the path that everything of the admin API stands under.
const Prefix = "/dockit/api/v1/"

// Bounds of a request.
const (
	// MaxLimit is how many items a page holds at most.
	MaxLimit = 1000
	// MaxBody is the largest body of a request, in bytes. A state document may
	// be larger.
	MaxBody = 64 << 10
)
