package admin

import (
	"encoding/base64"
	"errors"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/store"
)

// PageInput asks for one page of a listing.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many items to return at most."`
	Cursor string `query:"cursor" maxLength:"1024" doc:"The next_cursor of the page before."`
}

var errCursor = errors.New("the cursor is not one that this API gave out: start without one")

// page reads one item more than asked, which tells whether there is a next
// page.
func (in PageInput) page() (store.Page, error) {
	after, err := base64.RawURLEncoding.DecodeString(in.Cursor)
	if err != nil {
		return store.Page{}, invalid(errCursor)
	}
	return store.Page{After: string(after), Limit: in.Limit + 1}, nil
}

// list makes the answer of what was read for a page. key is what the next page
// starts after.
func list[T, W any](in PageInput, read []T, wire func(T) W, key func(T) string) adminapi.List[W] {
	l := adminapi.List[W]{Items: make([]W, 0, min(len(read), in.Limit))}
	if len(read) > in.Limit {
		read = read[:in.Limit]
		l.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(key(read[len(read)-1])))
	}
	for _, one := range read {
		l.Items = append(l.Items, wire(one))
	}
	return l
}
