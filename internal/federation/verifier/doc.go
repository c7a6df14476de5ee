// Package verifier finds out which robot a token stands for that a trusted issuer
// signed, or why it stands for none.
package verifier
