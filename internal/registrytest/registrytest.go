// Package registrytest is a registry in memory for tests. It looks at what a token
// opens, and not at who signed it.
package registrytest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Media types of what it is given.
const (
	IndexType    = "application/vnd.oci.image.index.v1+json"
	ManifestType = "application/vnd.oci.image.manifest.v1+json"
	ConfigType   = "application/vnd.oci.image.config.v1+json"
)

// Access is what a token opens.
type Access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// Request is one that was made.
type Request struct {
	Method, Path, Subject string
	Access                []Access
}

// Registry is a registry.
type Registry struct {
	// Server has its URL.
	Server *httptest.Server
	// PageSize is how many names a page has. Default: as many as are asked for.
	PageSize int
	// DeletesOff is set for one that deletes nothing.
	DeletesOff bool
	// OnDelete is called when an image was deleted, before that is answered. Default: nothing.
	OnDelete func()
	// ListsReferrers is set for one that has a list of referrers.
	ListsReferrers bool

	mu           sync.Mutex
	requests     []Request
	repositories map[string]*repository
}

type repository struct {
	tags      map[string]string
	manifests map[string]manifest
	blobs     map[string][]byte
}

type manifest struct {
	mediaType string
	data      []byte
}

// New starts one that ends with the test.
func New(t testing.TB) *Registry {
	r := &Registry{repositories: make(map[string]*repository)}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Server.Close)
	return r
}

// Digest is that of some bytes.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (r *Registry) of(name string) *repository {
	if r.repositories[name] == nil {
		r.repositories[name] = &repository{tags: map[string]string{}, manifests: map[string]manifest{}, blobs: map[string][]byte{}}
	}
	return r.repositories[name]
}

// Blob adds a blob, and returns its descriptor as JSON.
func (r *Registry) Blob(name, mediaType, data string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	digest := Digest([]byte(data))
	r.of(name).blobs[digest] = []byte(data)
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest, len(data))
}

// Manifest adds a manifest, and tags it unless the tag is empty. It returns its digest.
func (r *Registry) Manifest(name, tag, mediaType, data string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	digest := Digest([]byte(data))
	to := r.of(name)
	to.manifests[digest] = manifest{mediaType, []byte(data)}
	if tag != "" {
		to.tags[tag] = digest
	}
	return digest
}

// Image adds an image that was made at a time in RFC 3339, and returns its digest.
func (r *Registry) Image(name, tag, created string) string {
	config := r.Blob(name, ConfigType, fmt.Sprintf(
		`{"created":%q,"os":"linux","architecture":"amd64","config":{"Cmd":["/app"],"Labels":{"team":"one"}},"history":[{"comment":%q}]}`, created, name+":"+tag))
	return r.Manifest(name, tag, ManifestType, fmt.Sprintf(
		`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:%064d","size":1000}]}`,
		ManifestType, config, 7))
}

// Tag gives a manifest a further tag.
func (r *Registry) Tag(name, tag, digest string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(name).tags[tag] = digest
}

// Tags are those of a repository.
func (r *Registry) Tags(name string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of(name).names()
}

// Requests are those that were made since the last call.
func (r *Registry) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	made := r.requests
	r.requests = nil
	return made
}

func (r *repository) names() []string {
	names := make([]string, 0, len(r.tags))
	for name := range r.tags {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ServeHTTP implements [http.Handler].
func (r *Registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	subject, opens := opened(q.Header.Get("Authorization"))
	r.requests = append(r.requests, Request{q.Method, q.URL.Path, subject, opens})
	path := strings.TrimPrefix(q.URL.Path, "/v2/")
	if path == "_catalog" {
		if !has(opens, "registry", "catalog", "*") {
			fail(w, http.StatusUnauthorized, "UNAUTHORIZED")
			return
		}
		names := make([]string, 0, len(r.repositories))
		for name := range r.repositories {
			names = append(names, name)
		}
		slices.Sort(names)
		r.page(w, q, "repositories", names)
		return
	}
	for _, kind := range []string{"/tags/", "/manifests/", "/blobs/", "/referrers/"} {
		if name, rest, found := strings.Cut(path, kind); found {
			r.serve(w, q, name, kind, rest, opens)
			return
		}
	}
	fail(w, http.StatusNotFound, "NOT_FOUND")
}

func (r *Registry) serve(w http.ResponseWriter, q *http.Request, name, kind, reference string, opens []Access) {
	action := "pull"
	if q.Method == http.MethodDelete {
		action = "delete"
	}
	if kind == "/referrers/" && !r.ListsReferrers {
		http.NotFound(w, q)
		return
	}
	if !has(opens, "repository", name, action) {
		fail(w, http.StatusUnauthorized, "UNAUTHORIZED")
		return
	}
	in := r.repositories[name]
	if in == nil {
		fail(w, http.StatusNotFound, "NAME_UNKNOWN")
		return
	}
	switch kind {
	case "/tags/":
		r.page(w, q, "tags", in.names())
	case "/blobs/":
		if data, found := in.blobs[reference]; found {
			_, _ = w.Write(data)
			return
		}
		fail(w, http.StatusNotFound, "BLOB_UNKNOWN")
	case "/manifests/":
		r.manifest(w, q, in, reference)
	case "/referrers/":
		in.referrers(w, reference)
	}
}

func (r *Registry) manifest(w http.ResponseWriter, q *http.Request, in *repository, reference string) {
	digest := reference
	if tagged, found := in.tags[reference]; found {
		digest = tagged
	}
	m, found := in.manifests[digest]
	if !found {
		fail(w, http.StatusNotFound, "MANIFEST_UNKNOWN")
		return
	}
	if q.Method == http.MethodDelete {
		if r.DeletesOff {
			fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED")
			return
		}
		delete(in.manifests, digest)
		for tag, of := range in.tags {
			if of == digest {
				delete(in.tags, tag)
			}
		}
		if r.OnDelete != nil {
			r.OnDelete()
		}
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", m.mediaType)
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Content-Length", strconv.Itoa(len(m.data)))
	if q.Method == http.MethodGet {
		_, _ = w.Write(m.data)
	}
}

func (r *repository) referrers(w http.ResponseWriter, digest string) {
	var list []string
	for of, m := range r.manifests {
		var about struct {
			ArtifactType string
			Subject      struct{ Digest string }
			Annotations  map[string]string
		}
		if json.Unmarshal(m.data, &about) == nil && about.Subject.Digest == digest {
			annotations, _ := json.Marshal(about.Annotations)
			list = append(list, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"artifactType":%q,"annotations":%s}`,
				m.mediaType, of, len(m.data), about.ArtifactType, annotations))
		}
	}
	slices.Sort(list)
	w.Header().Set("Content-Type", IndexType)
	fmt.Fprintf(w, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, IndexType, strings.Join(list, ","))
}

// page writes one page of a list in order.
func (r *Registry) page(w http.ResponseWriter, q *http.Request, key string, names []string) {
	size, err := strconv.Atoi(q.URL.Query().Get("n"))
	if err != nil {
		size = len(names)
	}
	if r.PageSize > 0 {
		size = min(size, r.PageSize)
	}
	at, found := slices.BinarySearch(names, q.URL.Query().Get("last"))
	if found {
		at++
	}
	names = names[at:]
	if len(names) > size {
		names = names[:size]
		w.Header().Set("Link", fmt.Sprintf(`<%s?last=%s&n=%d>; rel="next"`, q.URL.Path, names[size-1], size))
	}
	_ = json.NewEncoder(w).Encode(map[string]any{key: names})
}

func fail(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"no"}]}`, code)
}

// opened is what the token of a request says.
func opened(header string) (string, []Access) {
	parts := strings.Split(strings.TrimPrefix(header, "Bearer "), ".")
	if len(parts) != 3 {
		return "", nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Sub    string
		Access []Access
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return "", nil
	}
	return claims.Sub, claims.Access
}

func has(opens []Access, kind, name, action string) bool {
	return slices.ContainsFunc(opens, func(a Access) bool {
		return a.Type == kind && a.Name == name && slices.Contains(a.Actions, action)
	})
}
