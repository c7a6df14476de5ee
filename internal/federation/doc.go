// Package federation says which issuers of OpenID Connect tokens are trusted, and
// which of their tokens stand for a robot.
//
// An [Issuer] is who signs: GitHub, a GitLab, a Kubernetes cluster. A [Binding] is
// an issuer with conditions on the claims of its tokens, which together stand for
// one robot. [CheckBinding] refuses bindings that would let strangers in: each
// [Kind] of issuer knows which claims say whose a job is.
//
// The package is pure: it reads no clock, no file and no database, and checks no
// signature.
package federation
