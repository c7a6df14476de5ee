// Package trust holds the commands for what registries must trust:
// init-container fetches, checks and watches it, pki-generate makes it.
package trust
