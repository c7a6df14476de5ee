// Package rbac holds the commands that manage a running Dockit over its admin
// API: subjects, permissions, access tokens, keys, the audit and the state.
package rbac
