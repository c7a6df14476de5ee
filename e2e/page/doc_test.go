// Package page tests the page for people as they use it: in Debian's Chromium, with script and without, by keyboard,
// on a small screen and a dark one.
package page
