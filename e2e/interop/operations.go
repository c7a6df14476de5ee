package main

import "context"

// operation is something that people do with a registry.
type operation struct {
	id, title string
	// pushes is one that a cache has no part in.
	pushes bool
	// patient is one that takes minutes, and is tried by all clients at once.
	patient bool
	try     func(ctx context.Context, t *trial) error
}

// operations are all of them, in the order of the table.
var operations = []operation{
	{id: "login-password", title: "log in with a password", try: loginWithPassword},
	{id: "login-access-token", title: "log in with an access token", try: loginWithAccessToken},
	{id: "login-job", title: "log in with the token of a CI job", try: loginWithJobToken},
	{id: "wrong-password", title: "wrong password: refused", try: wrongPassword},
	{id: "logout", title: "log out: nothing left", try: logout},
	{id: "push", title: "push", pushes: true, try: push},
	{id: "pull", title: "pull", try: pull},
	{id: "nested", title: "a name of four components", try: nested},
	{id: "anonymous", title: "pull without a login what is public", try: anonymous},
	{id: "group", title: "pull by the right of a group", try: group},
	{id: "refused-push", title: "push without the right: refused", pushes: true, try: refusedPush},
	{id: "refused-pull", title: "pull without the right: refused", try: refusedPull},
	{id: "mount", title: "mount a layer from another repository", pushes: true, try: mount},
	{id: "mount-refused", title: "the same from one that may not be read: uploaded", pushes: true, try: mountRefused},
	{id: "delete", title: "delete", pushes: true, try: remove},
	{id: "refused-delete", title: "delete without the right: refused", pushes: true, try: refusedDelete},
	{id: "catalog", title: "list the catalog, and not without the right", pushes: true, try: catalog},
	{id: "tags", title: "list tags", try: tags},
	{id: "index", title: "an index with two platforms", try: index},
	{id: "artifact", title: "an artifact that is no image", try: artifact},
	{id: "referrers", title: "attach to an image, and list what is attached", pushes: true, try: referrers},
	{id: "signature", title: "a signature as cosign tags it", pushes: true, try: signature},
	{id: "cache", title: "export a build cache, and build out of it", pushes: true, try: buildCache},
	{id: "identity-token", title: "use a refresh token that docker login stored", try: identityToken},
	{id: "long-push", title: "a push longer than its token", pushes: true, patient: true, try: longPush},
}
