package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/yaml"
)

// Provider is what the configuration of a kubelet says of the plugin.
type Provider struct {
	// Registries are hosts, with their ports if images name them.
	Registries []string
	Audience   string
	// Server is where Dockit is, and CAFile a file of the node. Both may be empty.
	Server, CAFile string
}

const (
	configVersion = "kubelet.config.k8s.io/v1"
	configKind    = "CredentialProviderConfig"
)

// entry is the provider in the words of the kubelet.
func (p Provider) entry() map[string]any {
	var args []any
	for _, registry := range p.Registries {
		args = append(args, "--registry="+registry)
	}
	if p.Server != "" {
		args = append(args, "--server="+p.Server)
	}
	if p.CAFile != "" {
		args = append(args, "--ca-file="+p.CAFile)
	}
	return map[string]any{
		"name": Plugin, "apiVersion": "credentialprovider.kubelet.k8s.io/v1", "matchImages": p.Registries, "defaultCacheDuration": "0s", "args": args,
		"tokenAttributes": map[string]any{
			"serviceAccountTokenAudience": p.Audience, "cacheType": "Token", "requireServiceAccount": true,
			"optionalServiceAccountAnnotationKeys": []string{"dockit.dev/robot"},
		},
	}
}

// merge is a configuration with the provider instead of the one that it had, or beside those of
// others, which stay as they are.
func merge(current []byte, p Provider, asJSON bool) ([]byte, error) {
	config := map[string]any{}
	if err := yaml.Unmarshal(current, &config); err != nil {
		return nil, err
	}
	if len(config) == 0 {
		config = map[string]any{"apiVersion": configVersion, "kind": configKind}
	}
	if config["kind"] != configKind {
		return nil, errors.New("it is no " + configKind)
	}
	if config["apiVersion"] != configVersion {
		return nil, fmt.Errorf("its apiVersion is %v, which knows no tokens of service accounts: %s does", config["apiVersion"], configVersion)
	}
	providers, ok := config["providers"].([]any)
	if !ok && config["providers"] != nil {
		return nil, errors.New("its providers are no list")
	}
	at := slices.IndexFunc(providers, func(one any) bool {
		of, ok := one.(map[string]any)
		return ok && of["name"] == Plugin
	})
	if at < 0 {
		providers = append(providers, p.entry())
	} else {
		providers[at] = p.entry()
	}
	config["providers"] = providers
	if asJSON {
		content, err := json.MarshalIndent(config, "", "  ")
		return append(content, '\n'), err
	}
	return yaml.Marshal(config)
}
