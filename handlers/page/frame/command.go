package frame

import (
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dockit-registry/dockit/adminapi"
)

// defaultBaseURL is where the command line looks for a server by itself.
const defaultBaseURL = "http://localhost:4315"

// Command is the command that does the same as a page, ready to copy: rbac, what
// follows it as it is, and its arguments, quoted where a shell needs that.
func (c *View) Command(verb string, arguments ...string) string {
	return Command(c.visit.Request, verb, arguments...)
}

// Call is the call of the admin API that does what no command does, by curl, which asks for the password: of
// a path below [adminapi.Prefix], with a body where there is one.
func (c *View) Call(method, path, body string) string {
	words := []string{"curl --user", Quoted(c.Viewer().Name())}
	if method != http.MethodGet {
		words = append(words, "--request", method)
	}
	words = append(words, Quoted(BaseURL(c.visit.Request)+adminapi.Prefix+path))
	if body != "" {
		words = append(words, "--header", Quoted("Content-Type: application/json"), "--data", Quoted(body))
	}
	return strings.Join(words, " ")
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

// Quoted writes an argument for a POSIX shell. What does not print would not be pasted but obeyed by a terminal, which may end a
// line before the shell reads its quotes: such an argument is written as bash and zsh have it, byte by byte.
func Quoted(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return quotedBytes(s)
	}
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func quotedBytes(s string) string {
	var text strings.Builder
	text.WriteString("$'")
	for _, b := range []byte(s) {
		if b < ' ' || b > '~' || b == '\'' || b == '\\' {
			fmt.Fprintf(&text, `\x%02x`, b)
		} else {
			text.WriteByte(b)
		}
	}
	text.WriteByte('\'')
	return text.String()
}
