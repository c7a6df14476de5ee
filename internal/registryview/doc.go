// Package registryview shows what is in a registry to one viewer at a time: what
// that viewer may pull, and nothing else.
//
// Contents are asked for with a token for the viewer, made in this process, with no
// more than the viewer's own rights; so what is shown is what docker pull would
// get. Only the names of repositories are read with a token of the server's own,
// kept in memory, and shown as far as the rights of the viewer go.
package registryview
