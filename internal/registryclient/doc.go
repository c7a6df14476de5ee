// Package registryclient reads and deletes at a registry by the API of the OCI
// distribution specification. It takes nothing on trust that a registry answers:
// bytes, counts and time are bounded, what is named by its digest is checked
// against it, nothing leads to another host, and every text can be shown.
package registryclient
