// Package token builds and signs registry tokens: the short-lived JWTs that a
// registry checks before it serves a request.
//
// An [Issuer] is all that a server needs, one for each service.
package token
