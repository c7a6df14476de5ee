package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

const adminAPI = "/dockit/api/v1"

// probe asks one server, one request after the other.
type probe struct {
	*database
	server *dockit.Server
	client *http.Client
}

func newProbe(server *dockit.Server, d *database) *probe {
	return &probe{database: d, server: server, client: &http.Client{Timeout: 10 * time.Minute}}
}

// get reads an answer, which must be 200, into an object or away.
func (p *probe) get(ctx context.Context, path string, query url.Values, username, password string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.server.URL+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth(username, password)
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // it only explains
		return fmt.Errorf("GET %s as %s: %s: %s", path, username, resp.Status, body)
	}
	if into == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// token asks for a registry token for what the subject may push, and looks whether it got that.
func (p *probe) token(ctx context.Context, name, password string) error {
	scope := "repository:" + home(name) + ":pull,push"
	var answer struct {
		Token string `json:"token"`
	}
	if err := p.get(ctx, "/v2/token", url.Values{"service": {"registry"}, "scope": {scope}}, name, password, &answer); err != nil {
		return err
	}
	var claims struct {
		Access []struct {
			Actions []string `json:"actions"`
		} `json:"access"`
	}
	_, payload, _ := strings.Cut(answer.Token, ".")
	payload, _, _ = strings.Cut(payload, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(payload)
	if err == nil {
		err = json.Unmarshal(decoded, &claims)
	}
	if err != nil {
		return fmt.Errorf("read the token for %s: %w", scope, err)
	}
	if len(claims.Access) != 1 || len(claims.Access[0].Actions) != 2 {
		return fmt.Errorf("the token for %s gives %v", scope, claims.Access)
	}
	return nil
}

// admin asks the admin API.
func (p *probe) admin(ctx context.Context, path string, query url.Values, into any) error {
	return p.get(ctx, adminAPI+path, query, p.root.owner, p.root.text, into)
}

// page is one of a listing.
type page struct {
	Items []struct {
		Name string `json:"name"`
	} `json:"items"`
	NextCursor string `json:"next_cursor"`
}

// list asks for a page that must have so many items.
func (p *probe) list(ctx context.Context, path string, items int, query url.Values) error {
	query.Set("limit", fmt.Sprint(items))
	var got page
	if err := p.admin(ctx, path, query, &got); err != nil {
		return err
	}
	if len(got.Items) != items {
		return fmt.Errorf("GET %s with %v: %d items, not %d", path, query, len(got.Items), items)
	}
	return nil
}

// after is the cursor of the page that begins behind a name. Clients take cursors from the page before; getting to the
// middle like that would take a thousand requests.
func after(name string) url.Values {
	return url.Values{"cursor": {base64.RawURLEncoding.EncodeToString([]byte(name))}}
}

// all reads a listing from its first page to its last one, and returns how many pages and items there were.
func (p *probe) all(ctx context.Context, path string) (pages, items int, err error) {
	query := url.Values{"limit": {"1000"}}
	for {
		var got page
		if err := p.admin(ctx, path, query, &got); err != nil {
			return pages, items, err
		}
		pages, items = pages+1, items+len(got.Items)
		if got.NextCursor == "" {
			return pages, items, nil
		}
		query.Set("cursor", got.NextCursor)
	}
}
