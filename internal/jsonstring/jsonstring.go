// Package jsonstring writes strings in JSON where that happens for every
// request.
package jsonstring

import "encoding/json"

// Append appends a string as [json.Marshal] writes it.
func Append(dst []byte, s string) []byte {
	for i := range len(s) {
		if !plain(s[i]) {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // no string is an error
			}
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// plain reports whether a byte stands for itself, as all of a name does.
func plain(c byte) bool {
	return ' ' <= c && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
}
