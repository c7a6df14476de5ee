// Package pki holds the keys that sign registry tokens and publishes what
// registries need in order to trust them.
//
// A registry reads its trust once, when it starts. So what it is given does
// not change often: a certificate authority that serves nothing else, and the
// one that will follow it. The keys that sign tokens live for days under that
// authority, and each token carries the certificate of the key that signed it.
//
// A [Ring] is what the rest of Dockit uses. It either makes its keys by itself
// and keeps them in a [Store], or takes a key and certificate from a file.
package pki
