package store

import "strings"

// Page is a part of a listing in the order of names.
type Page struct {
	// After is the last name of the page before; empty starts at the beginning.
	After string
	// Limit is how many to return at most.
	Limit int
	// Prefix keeps only names that begin with it, and Search those that hold it
	// anywhere, in small or capital letters.
	Prefix, Search string
	// Admin and Disabled keep only subjects that are so, or are not. Nil keeps
	// both.
	Admin, Disabled *bool
}

// MaxCounted is how far a narrowed listing is counted: finding all of a large one takes
// longer than reading a page of it.
const MaxCounted = 1000

// literally has what LIKE takes for a pattern stand for itself, and a zero byte, which
// ends a pattern of SQLite, for what no name has.
var literally = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_", "\x00", " ")

// unpaged is all pages together.
func (p Page) unpaged() Page {
	p.After, p.Limit = "", 0
	return p
}

// narrowed reports whether the page leaves out anything by what it is.
func (p Page) narrowed() bool { return p.unpaged() != Page{} }

// condition restricts s to a [Page], in terms that an index can answer: SQLite
// looks at one lower bound only, and would read every name from the beginning
// if it took the wrong one of two. Names hold ASCII only, so that every name
// with a prefix sorts before the prefix followed by DEL. A search goes through the
// names of the index.
func (p Page) condition() (string, []any) {
	const del = "\x7f"
	text, args := "s.name > ?", []any{p.After}
	if p.After < p.Prefix {
		text, args = "s.name >= ?", []any{p.Prefix}
	}
	if p.Prefix != "" {
		text, args = text+" AND s.name < ?", append(args, p.Prefix+del)
	}
	if p.Search != "" {
		text, args = text+" AND s.name LIKE ? ESCAPE '!'", append(args, "%"+literally.Replace(strings.ToLower(p.Search))+"%")
	}
	// Not as parameters: an index may hold only those who are so.
	for _, filter := range []struct {
		column string
		wanted *bool
	}{{"admin", p.Admin}, {"disabled", p.Disabled}} {
		switch {
		case filter.wanted == nil:
		case *filter.wanted:
			text += " AND s." + filter.column + " = 1"
		default:
			text += " AND s." + filter.column + " = 0"
		}
	}
	return text, args
}
