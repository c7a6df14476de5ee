package frame

import (
	"net/http"
	"strings"
)

// defaultBaseURL is where the command line looks for a server by itself.
const defaultBaseURL = "http://localhost:4315"

// Command is the command that does the same as a page, ready to copy: rbac, what
// follows it as it is, and its arguments, quoted where a shell needs that.
func (c *View) Command(verb string, arguments ...string) string {
	return Command(c.visit.Request, verb, arguments...)
}

// Command is [View.Command] for what is no template.
func Command(r *http.Request, verb string, arguments ...string) string {
	words := []string{"dockit rbac", verb}
	for _, argument := range arguments {
		words = append(words, Quoted(argument))
	}
	if base := BaseURL(r); base != defaultBaseURL {
		words = append(words, "--base-url", Quoted(base))
	}
	return strings.Join(words, " ")
}

// BaseURL is where the browser reaches this server.
func BaseURL(r *http.Request) string {
	if overTLS(r) {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// Quoted writes an argument for a POSIX shell.
func Quoted(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
