package administration

import (
	"net/http"
	"net/url"

	"github.com/dustin/go-humanize"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
)

// countedList asks for the page of a list that the address names, narrowed by query. It
// says how many there are, as "12 of 3,000 users".
func countedList(v *frame.Visit, path string, query url.Values, one, many string) (list adminapi.List[adminapi.Subject], count string, err error) {
	narrowed := len(query) > 0
	query.Set("total", "true")
	if err = v.API(http.MethodGet, path+v.Listed(query, v.URL.Query().Get("cursor")), nil, &list); err != nil {
		return list, "", err
	}
	if !narrowed {
		return list, counted(*list.Total, one, many), nil
	}
	var all adminapi.List[adminapi.Subject]
	if err = v.API(http.MethodGet, path+"?total=true&limit=1", nil, &all); err != nil {
		return list, "", err
	}
	found := humanize.Comma(int64(*list.Total))
	if *list.Total >= adminapi.MaxCounted && *list.Total < *all.Total {
		found += " or more"
	}
	return list, found + " of " + counted(*all.Total, one, many), nil
}

// counted is a number of one or many in words.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(int64(n)) + " " + many
}
