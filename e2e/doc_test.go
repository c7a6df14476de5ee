// Package e2e holds the end-to-end tests: the dockit binary, real registries and a real client, each as users
// run them. It knows nothing of Dockit's packages.
package e2e
