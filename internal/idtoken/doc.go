// Package idtoken reads the tokens by which an issuer says who a client is: signed
// JWTs in their compact form (RFC 7519, RFC 8725).
//
// [Parse] takes nothing on trust: what it returns is what the token says of itself
// until [Token.CheckSignature] was asked with a key of the issuer, and then
// [Token.Check] with what is expected.
package idtoken
