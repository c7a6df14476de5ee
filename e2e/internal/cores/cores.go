// Package cores keeps processes on cores of their own, so that what is measured shares none with what asks it. It needs Linux.
package cores

// Pair are the cores of the servers, and of the load: the same where there is one.
type Pair struct{ Server, Load int }
