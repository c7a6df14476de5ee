// Package access decides what a subject may do in a registry.
//
// A [Permission] is what a subject was given, such as
// repository:team/*:push. A [Scope] is what a client asks for, such as
// repository:team/app:pull,push. [Rights] holds all permissions of one subject
// and answers a request with the scopes that go into a token: never more than
// was asked, never more than was given.
//
// The package is pure. It reads no clock, no file and no database, and all of
// its values may be used by several goroutines at once.
//
// # Names in permissions
//
// A name is a path of components between slashes. In it
//
//   - * stands for any characters within one component: team/* covers
//     team/app, not team and not team/app/debug;
//   - ** stands for any number of components, also none: team/** covers team,
//     team/app and team/app/debug, not teams;
//   - {username} stands for the name of the caller: {username}/** gives
//     everyone a corner of their own. End it at a slash, for
//     {username}-* would let ci reach what belongs to ci-nightly;
//   - {NAME}, alone between slashes, stands for what a binding exposes by that name of
//     the token that a robot logged in with: {k8s.namespace}/** gives every namespace
//     of a cluster a corner of its own. It is one component, whatever the token says;
//     for who logged in otherwise it is none.
//
// A namespace is short for everything in and below a repository:
// namespace:team:push is repository:team/**:push.
//
// Permissions only add up, and nothing denies.
package access
