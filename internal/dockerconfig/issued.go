package dockerconfig

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// Issued is a login that was just issued, for programs that are given it instead of
// logging in.
type Issued struct {
	// Hosts are the registries that it is good at.
	Hosts              []string
	Username, Password string
}

// Config is the login as docker's config.json has it.
func (l Issued) Config() []byte {
	type entry struct {
		Auth string `json:"auth"`
	}
	auths := make(map[string]entry, len(l.Hosts))
	for _, host := range l.Hosts {
		auths[host] = entry{base64.StdEncoding.EncodeToString([]byte(l.Username + ":" + l.Password))}
	}
	config, err := json.MarshalIndent(map[string]map[string]entry{"auths": auths}, "", "  ")
	if err != nil {
		panic(err) // strings can always be written
	}
	return config
}

// unnamed are the runs of characters that a name in Kubernetes cannot have
// (RFC 1123 subdomains) and a subject's can.
var unnamed = regexp.MustCompile(`[^a-z0-9.]+`)

// PullSecret is the manifest of a Secret of Kubernetes for imagePullSecrets. Without a
// name it has one of its owner.
func (l Issued) PullSecret(name, namespace string) ([]byte, error) {
	if name == "" {
		name = strings.Trim(unnamed.ReplaceAllString("dockit-"+l.Username, "-"), "-.")
	}
	type metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace,omitempty"`
	}
	manifest, err := yaml.Marshal(struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   metadata          `json:"metadata"`
		Type       string            `json:"type"`
		Data       map[string][]byte `json:"data"`
	}{
		"v1", "Secret",
		metadata{name, namespace},
		"kubernetes.io/dockerconfigjson",
		map[string][]byte{".dockerconfigjson": l.Config()},
	})
	if err != nil {
		return nil, fmt.Errorf("write the pull secret: %w", err)
	}
	return manifest, nil
}
