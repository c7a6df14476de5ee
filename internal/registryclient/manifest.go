package registryclient

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Media types of manifests.
const (
	typeIndex          = "application/vnd.oci.image.index.v1+json"
	typeManifest       = "application/vnd.oci.image.manifest.v1+json"
	typeDockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	typeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
)

// accepted are the manifests that are understood.
var accepted = strings.Join([]string{typeIndex, typeManifest, typeDockerIndex, typeDockerManifest}, ", ")

const (
	// maxManifest and maxConfig bound what is read, in bytes: what registries take.
	maxManifest = 4 << 20
	maxConfig   = 4 << 20
	// maxSize bounds what something says of its size, so that sums do not overflow.
	maxSize = 1 << 50
)

// Size is how large something says to be, in bytes.
type Size int64

// UnmarshalJSON implements [json.Unmarshaler]. What cannot be a size is 0.
func (s *Size) UnmarshalJSON(data []byte) error {
	*s = 0
	var n int64
	if json.Unmarshal(data, &n) == nil && n > 0 {
		*s = Size(min(n, maxSize))
	}
	return nil
}

// Platform is what an image runs on.
type Platform struct {
	OS           Text `json:"os"`
	Architecture Text `json:"architecture"`
	Variant      Text `json:"variant"`
	OSVersion    Text `json:"os.version"`
}

// String is os/architecture/variant, as docker takes it by --platform.
func (p Platform) String() string {
	s := string(p.OS) + "/" + string(p.Architecture)
	if p.Variant != "" {
		s += "/" + string(p.Variant)
	}
	if s == "/" {
		return ""
	}
	return s
}

// Descriptor names a content. One without a digest names none.
type Descriptor struct {
	MediaType    Text        `json:"mediaType"`
	Digest       Digest      `json:"digest"`
	Size         Size        `json:"size"`
	ArtifactType Text        `json:"artifactType"`
	Platform     *Platform   `json:"platform"`
	Annotations  Annotations `json:"annotations"`
}

// Manifest is a manifest or an index. Of lists the first thousand are kept.
type Manifest struct {
	MediaType    Text             `json:"mediaType"`
	ArtifactType Text             `json:"artifactType"`
	Config       Descriptor       `json:"config"`
	Layers       list[Descriptor] `json:"layers"`
	Manifests    list[Descriptor] `json:"manifests"`
	Subject      *Descriptor      `json:"subject"`
	Annotations  Annotations      `json:"annotations"`

	// Digest is what it was asked for by, and Size how large it is, in bytes.
	Digest Digest `json:"-"`
	Size   Size   `json:"-"`
}

// IsIndex reports whether it lists manifests.
func (m *Manifest) IsIndex() bool {
	switch m.MediaType {
	case typeIndex, typeDockerIndex:
		return true
	case "":
		return len(m.Manifests) > 0
	default:
		return false
	}
}

// Resolve finds out what a tag is now.
func (c *Client) Resolve(ctx context.Context, bearer, repository, tag string) (Descriptor, error) {
	path := repository + "/manifests/" + tag
	response, err := c.do(ctx, request{method: http.MethodHead, path: path, accept: accepted, bearer: bearer})
	if err != nil {
		return Descriptor{}, err
	}
	_ = response.Body.Close() // there is none
	if digest, ok := ParseDigest(response.Header.Get("Docker-Content-Digest")); ok {
		return Descriptor{Digest: digest, Size: Size(max(0, min(response.ContentLength, maxSize)))}, nil
	}
	// Not every registry says it beforehand.
	data, err := c.read(ctx, bearer, path, accepted, maxManifest)
	if err != nil {
		return Descriptor{}, err
	}
	sum := sha256.Sum256(data)
	return Descriptor{Digest: Digest("sha256:" + hex.EncodeToString(sum[:])), Size: Size(len(data))}, nil
}

// Manifest reads a manifest or an index.
func (c *Client) Manifest(ctx context.Context, bearer, repository string, digest Digest) (*Manifest, error) {
	path := repository + "/manifests/" + string(digest)
	data, err := c.read(ctx, bearer, path, accepted, maxManifest)
	if err != nil {
		return nil, err
	}
	if !digest.is(data) {
		return nil, fmt.Errorf("%w: %s has another digest", ErrAnswer, c.named(path))
	}
	m := new(Manifest)
	if err := readJSON(bytes.NewReader(data), maxManifest, m); err != nil {
		return nil, fmt.Errorf("read %s: %w", c.named(path), err)
	}
	m.Digest, m.Size = digest, Size(len(data))
	return m, nil
}

// ImageConfig is what an image says of how it is run.
type ImageConfig struct {
	Platform
	Created Time `json:"created"`
	Author  Text `json:"author"`
	Config  struct {
		User         Text        `json:"User"`
		Entrypoint   list[Text]  `json:"Entrypoint"`
		Cmd          list[Text]  `json:"Cmd"`
		WorkingDir   Text        `json:"WorkingDir"`
		ExposedPorts Annotations `json:"ExposedPorts"`
		Labels       Annotations `json:"Labels"`
	} `json:"config"`
}

// Time is a time in RFC 3339, zero when it is none, or one that no author can mean.
type Time struct{ time.Time }

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Time) UnmarshalJSON(data []byte) error {
	var text Text
	if err := text.UnmarshalJSON(data); err != nil {
		return err
	}
	*t = ParseTime(text)
	return nil
}

// ParseTime reads a time in RFC 3339.
func ParseTime(text Text) Time {
	read, err := time.Parse(time.RFC3339, string(text))
	// Reproducible builds say 1970, or 1980, and mean nothing by it.
	const first, last = 1990, 9999
	if err != nil || read.Year() < first || read.Year() > last {
		return Time{}
	}
	return Time{read.UTC()}
}

// Config reads the configuration of an image, as its manifest names it.
func (c *Client) Config(ctx context.Context, bearer, repository string, digest Digest) (*ImageConfig, error) {
	path := repository + "/blobs/" + string(digest)
	data, err := c.read(ctx, bearer, path, "", maxConfig)
	if err != nil {
		return nil, err
	}
	if !digest.is(data) {
		return nil, fmt.Errorf("%w: %s has another digest", ErrAnswer, c.named(path))
	}
	config := new(ImageConfig)
	if err := readJSON(bytes.NewReader(data), maxConfig, config); err != nil {
		return nil, fmt.Errorf("read %s: %w", c.named(path), err)
	}
	return config, nil
}

func (c *Client) read(ctx context.Context, bearer, path, accept string, most int64) ([]byte, error) {
	response, err := c.do(ctx, request{method: http.MethodGet, path: path, accept: accept, bearer: bearer})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	data, err := readAll(response.Body, most)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.named(path), err)
	}
	return data, nil
}

// is reports whether it is the digest of some bytes.
func (d Digest) is(data []byte) bool {
	algorithm, sum, _ := strings.Cut(string(d), ":")
	switch algorithm {
	case "sha256":
		got := sha256.Sum256(data)
		return hex.EncodeToString(got[:]) == sum
	case "sha512":
		got := sha512.Sum512(data)
		return hex.EncodeToString(got[:]) == sum
	default:
		return false
	}
}

// Delete removes a manifest, and with it every tag that it has.
func (c *Client) Delete(ctx context.Context, bearer, repository string, digest Digest) error {
	response, err := c.do(ctx, request{method: http.MethodDelete, path: repository + "/manifests/" + string(digest), bearer: bearer})
	if err != nil {
		return err
	}
	return response.Body.Close()
}
