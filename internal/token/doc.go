// Package token builds and signs registry tokens: the short-lived JWTs that a
// registry checks before it serves a request.
//
// [Issue] is all that a server needs. [sign] signs claims made elsewhere.
package token
