package registryclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	// pageSize is how many names one page is asked for.
	pageSize = 1000
	// maxPage bounds a page, in bytes: older registries answer with all tags at once.
	maxPage = 16 << 20
	// maxPageNames is how many names of a page are read.
	maxPageNames = 1_000_000
	// maxCursor bounds where a list goes on, in bytes.
	maxCursor = 2 << 10
)

// Page is a part of a list of names.
type Page struct {
	// Names are as the registry has them: nothing is known of what they are.
	Names []string
	// Next is where the list goes on, empty at its end.
	Next string
}

// Repositories reads a page of the catalog: the first one, or that at Next of
// another.
func (c *Client) Repositories(ctx context.Context, bearer, at string) (Page, error) {
	return c.page(ctx, bearer, "_catalog", "repositories", at)
}

// Tags reads a page of the tags of a repository: the first one, or that at Next of
// another.
func (c *Client) Tags(ctx context.Context, bearer, repository, at string) (Page, error) {
	return c.page(ctx, bearer, repository+"/tags/list", "tags", at)
}

func (c *Client) page(ctx context.Context, bearer, path, key, at string) (Page, error) {
	r := request{method: http.MethodGet, path: path, query: at, accept: "application/json", bearer: bearer}
	if at == "" {
		r.query = "n=" + strconv.Itoa(pageSize)
	}
	response, err := c.do(ctx, r)
	var refused *statusError
	if at == "" && errors.As(err, &refused) && refused.status == http.StatusBadRequest {
		// One that has smaller pages says how large they are with its first one.
		r.query = ""
		response, err = c.do(ctx, r)
	}
	if err != nil {
		return Page{}, err
	}
	defer response.Body.Close()
	var p Page
	if p.Next, err = next(response); err != nil {
		return Page{}, fmt.Errorf("%w: %s: %w", ErrAnswer, c.named(path), err)
	}
	err = readTexts(response.Body, maxPage, key, func(name string) bool {
		p.Names = append(p.Names, name)
		return len(p.Names) < maxPageNames
	})
	if err != nil {
		return Page{}, fmt.Errorf("read %s: %w", c.named(path), err)
	}
	return p, nil
}

// next is where a list goes on (RFC 8288). Of a link only the query counts, and only
// at the same path, so that none leads elsewhere.
func next(response *http.Response) (string, error) {
	for _, header := range response.Header.Values("Link") {
		for link := range strings.SplitSeq(header, ",") {
			target, parameters, found := strings.Cut(strings.TrimSpace(link), ">")
			target, open := strings.CutPrefix(target, "<")
			if !found || !open || !isNext(parameters) {
				continue
			}
			u, err := url.Parse(target)
			switch {
			case err != nil || len(u.RawQuery) > maxCursor:
				return "", errors.New("its link to the next page is no link")
			case u.Path != response.Request.URL.Path:
				return "", errors.New("its link to the next page leads to another list")
			case u.RawQuery == "":
				return "", errors.New("its link to the next page leads to the first one")
			}
			return u.RawQuery, nil
		}
	}
	return "", nil
}

// isNext reports whether the parameters of a link say that it is the next page.
func isNext(parameters string) bool {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(name, "rel") && strings.EqualFold(strings.Trim(value, `"`), "next") {
			return true
		}
	}
	return false
}
