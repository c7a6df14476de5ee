// Package dockerconfig finds, stores and erases logins at registries as docker
// and podman do: in docker's config.json, in podman's auth.json, and by credential
// helpers.
package dockerconfig
