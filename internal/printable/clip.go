package printable

import "unicode/utf8"

// maxClip is the longest text, in bytes, that [Clip] returns whole.
const maxClip = 128

// Clip keeps what a user typed, or a client sent, from flooding a message or a log: of
// a text of more than 128 bytes the beginning remains, and an ellipsis.
func Clip(s string) string { return ClipTo(s, maxClip) }

// ClipTo is [Clip] for a text of at most so many bytes. No character is cut in
// two: what remains of a text that is valid UTF-8 is so as well.
func ClipTo(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && most-end < utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
