// Package issuerkeys finds and fetches the keys of issuers, and keeps them fresh.
//
// An issuer that does not answer changes nothing: the keys that it published last
// go on. One that answers says what counts from then on.
package issuerkeys
