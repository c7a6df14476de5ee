package credentialprovider

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/dockit-registry/dockit/internal/printable"
)

const (
	apiVersion   = "credentialprovider.kubelet.k8s.io/v1"
	requestKind  = "CredentialProviderRequest"
	responseKind = "CredentialProviderResponse"

	// maxRequest is the largest request that is read, in bytes. All annotations of an
	// object take at most a quarter of that.
	maxRequest = 1 << 20
	// maxHost is the longest host with its port, in bytes.
	maxHost = 261
)

// RobotAnnotation is the annotation of a service account by which it says as which
// robot its pods pull. Without it, that is the one that the token stands for.
const RobotAnnotation = "dockit.dev/robot"

// ErrRequest is returned for what is no request of a kubelet that this program can
// answer.
var ErrRequest = errors.New("cannot read the request of the kubelet")

// Request is what the kubelet asks.
type Request struct {
	// Host is where the image is, with the port if it names one.
	Host string
	// Token is that of the service account, empty where there is none.
	Token string
	// Annotations are those of the service account that the kubelet is configured to
	// pass on.
	Annotations map[string]string
}

// ReadRequest reads a request. No error holds any of it but the image. Errors:
// [ErrRequest].
func ReadRequest(r io.Reader) (Request, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxRequest+1))
	switch {
	case err != nil:
		return Request{}, fmt.Errorf("%w: standard input: %w", ErrRequest, err)
	case len(content) > maxRequest:
		return Request{}, fmt.Errorf("%w: it has more than %d bytes", ErrRequest, maxRequest)
	}
	var body struct {
		Kind        string            `json:"kind"`
		APIVersion  string            `json:"apiVersion"`
		Image       string            `json:"image"`
		Token       string            `json:"serviceAccountToken"`
		Annotations map[string]string `json:"serviceAccountAnnotations"`
	}
	if json.Unmarshal(content, &body) != nil { // the error may repeat some of it
		return Request{}, fmt.Errorf("%w: it is no JSON object as the kubelet writes it to standard input: this program is run by the kubelet, see --help", ErrRequest)
	}
	if body.Kind != requestKind || body.APIVersion != apiVersion {
		return Request{}, fmt.Errorf("%w: it is a %q of %q, and has to be a %s of %s: write apiVersion: %[5]s in the provider's entry of the CredentialProviderConfig",
			ErrRequest, printable.Clip(body.Kind), printable.Clip(body.APIVersion), requestKind, apiVersion)
	}
	host, _, found := strings.Cut(body.Image, "/")
	host = strings.ToLower(host)
	if !found || !isHost(host) {
		return Request{}, fmt.Errorf("%w: the image %q does not begin with the host of a registry", ErrRequest, printable.Clip(body.Image))
	}
	return Request{Host: host, Token: body.Token, Annotations: body.Annotations}, nil
}

// isHost reports whether a text can be a host with or without a port, and is nothing
// else.
func isHost(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	return s != "" && len(s) <= maxHost && strings.Trim(s, letters+".-_:[]") == "" && strings.ContainsAny(s, letters)
}

// Response is the answer: who may pull from one registry, and for how long the kubelet
// may take that for true.
type Response struct {
	Host, Username, Password string
	// CacheDuration is a text of Go's, such as 12m0s. 0s: the kubelet asks again for the
	// next pull.
	CacheDuration string
}

// Write writes the response as the kubelet reads it.
func (r Response) Write(w io.Writer) error {
	type login struct {
		Username string `json:"username"`
		Password string `json:"password"`
	}
	content, err := json.Marshal(struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
		// CacheKeyType is Registry: the login is good for every image there, as far as
		// the robot may pull it, and for no other registry.
		CacheKeyType  string           `json:"cacheKeyType"`
		CacheDuration string           `json:"cacheDuration"`
		Auth          map[string]login `json:"auth"`
	}{responseKind, apiVersion, "Registry", r.CacheDuration, map[string]login{r.Host: {r.Username, r.Password}}})
	if err != nil {
		return fmt.Errorf("write the response: %w", err)
	}
	if _, err := w.Write(append(content, '\n')); err != nil {
		return fmt.Errorf("write the response: %w", err)
	}
	return nil
}
