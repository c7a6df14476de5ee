// Package flood has a stranger flood a Dockit, and looks at what that costs the server and everybody else. It stands apart
// from the other end-to-end tests because `make flood` runs it for minutes; otherwise each flood lasts some seconds.
package flood
