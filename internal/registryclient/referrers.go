package registryclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// maxReferrerPages is how many pages of referrers are read.
const maxReferrerPages = 20

// Referrers are what names a manifest as its subject.
type Referrers struct {
	Manifests []Descriptor
	// Cut is set when there are more than are listed.
	Cut bool
}

// Referrers reads what refers to a manifest: as the registry lists it, or as clients
// list it under the tag sha256-<hex> at one that does not.
func (c *Client) Referrers(ctx context.Context, bearer, repository string, digest Digest) (Referrers, error) {
	var all Referrers
	path, query := repository+"/referrers/"+string(digest), ""
	for page := range maxReferrerPages {
		index, following, err := c.referrersPage(ctx, bearer, path, query)
		if page == 0 && (errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnsupported)) {
			return c.taggedReferrers(ctx, bearer, repository, digest)
		}
		if err != nil {
			return all, err
		}
		all.add(index)
		if following == "" || following == query {
			return all, nil
		}
		if query = following; len(all.Manifests) >= maxList {
			break
		}
	}
	all.Cut = true
	return all, nil
}

// add takes in those that name something.
func (r *Referrers) add(index *Manifest) {
	for _, one := range index.Manifests {
		if one.Digest != "" && len(r.Manifests) < maxList {
			r.Manifests = append(r.Manifests, one)
		}
	}
	r.Cut = r.Cut || len(index.Manifests) == maxList
}

func (c *Client) referrersPage(ctx context.Context, bearer, path, query string) (*Manifest, string, error) {
	response, err := c.do(ctx, request{method: http.MethodGet, path: path, query: query, accept: typeIndex, bearer: bearer})
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	following, err := next(response)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %s: %w", ErrAnswer, c.named(path), err)
	}
	data, err := readAll(response.Body, maxManifest)
	if err != nil {
		return nil, "", fmt.Errorf("read %s: %w", c.named(path), err)
	}
	index := new(Manifest)
	if err := readJSON(bytes.NewReader(data), maxManifest, index); err != nil {
		return nil, "", fmt.Errorf("read %s: %w", c.named(path), err)
	}
	return index, following, nil
}

// taggedReferrers reads those of a registry that has no list of its own.
func (c *Client) taggedReferrers(ctx context.Context, bearer, repository string, digest Digest) (Referrers, error) {
	var all Referrers
	index, err := c.Resolve(ctx, bearer, repository, digest.Tag())
	if errors.Is(err, ErrNotFound) {
		return all, nil
	}
	if err != nil {
		return all, err
	}
	listed, err := c.Manifest(ctx, bearer, repository, index.Digest)
	if err == nil {
		all.add(listed)
	}
	return all, err
}

// Tag is the tag under which clients keep what belongs to a manifest: alone the list
// of referrers, and with an ending what cosign keeps.
func (d Digest) Tag() string {
	algorithm, sum, _ := strings.Cut(string(d), ":")
	const most = 64 // as the specification cuts it
	return algorithm + "-" + sum[:min(len(sum), most)]
}
