// Package printable decides what of a text that others wrote may reach a
// terminal or a log: nothing that moves the cursor, hides text or turns its
// direction round. It is the one place where that is decided.
package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mark stands for what is not printed.
const mark = '?'

// Rune reports whether a rune is shown as what it is. Controls are not, nor are
// characters without a width of their own, such as U+202E, which turns the
// direction of what follows, nor the one that stands for bytes that are no text.
func Rune(r rune) bool { return unicode.IsPrint(r) && r != utf8.RuneError }

// plain reports whether all of a text is printable ASCII, as most is.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// Line returns a text on one line: whatever is not shown as what it is becomes
// a question mark, line breaks and tabs included.
func Line(s string) string {
	if plain(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if !Rune(r) {
			return mark
		}
		return r
	}, s)
}

// Text is [Line] for a text that keeps its line breaks and tabs.
func Text(s string) string {
	if plain(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !Rune(r) {
			return mark
		}
		return r
	}, s)
}

// Strip returns a text without what [Line] marks, and without space around it.
func Strip(s string) string {
	if plain(s) {
		return strings.TrimSpace(s)
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !Rune(r) {
			return -1
		}
		return r
	}, s))
}

// JSON returns a JSON document that says the same, with escapes for what is not
// shown as what it is. Such runes stand in strings only.
func JSON(document []byte) []byte {
	out := make([]byte, 0, len(document))
	for len(document) > 0 {
		r, size := utf8.DecodeRune(document)
		switch {
		case r < utf8.RuneSelf && r != 0x7f || Rune(r) || r == utf8.RuneError:
			out = append(out, document[:size]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		document = document[size:]
	}
	return out
}
