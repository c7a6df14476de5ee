// Package cluster connects to a cluster, as kubectl does or from a pod of it.
package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Flags say which cluster.
type Flags struct{ Kubeconfig, Context string }

// Register adds the flags.
func (f *Flags) Register(flags *pflag.FlagSet) {
	flags.StringVar(&f.Kubeconfig, "kubeconfig", "", "`file` that says where the cluster is (default as kubectl, or the cluster that this runs in)")
	flags.StringVar(&f.Context, "context", "", "`name` of the context in it (default the current one)")
}

// Config is how to reach the cluster.
func (f *Flags) Config() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.Kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: f.Context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w: name a file with --kubeconfig, or run this in a pod with a service account", err)
	}
	config.UserAgent = "dockit-kubernetes"
	return config, nil
}

// Client is one of the cluster.
func (f *Flags) Client() (*kubernetes.Clientset, error) {
	config, err := f.Config()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// Issuer is what a cluster says of itself as an issuer of tokens.
type Issuer struct {
	// URL is the iss of its tokens.
	URL string `json:"issuer"`
	// KeysURL is where it says that its keys are.
	KeysURL string `json:"jwks_uri"`
	// Keys is the JWK set itself.
	Keys string `json:"-"`
}

// discoveryRole is by whom discovery may be read.
const discoveryRole = "system:service-account-issuer-discovery"

// Discover reads the discovery document and the keys by way of the API server.
func Discover(ctx context.Context, client kubernetes.Interface) (Issuer, error) {
	var found Issuer
	document, err := client.Discovery().RESTClient().Get().AbsPath("/.well-known/openid-configuration").DoRaw(ctx)
	if err != nil {
		return found, fmt.Errorf("read /.well-known/openid-configuration: %w: the ClusterRole %s allows it", err, discoveryRole)
	}
	if err := json.Unmarshal(document, &found); err != nil || found.URL == "" {
		return found, errors.New("/.well-known/openid-configuration names no issuer: start the API server with --service-account-issuer")
	}
	keys, err := client.Discovery().RESTClient().Get().AbsPath("/openid/v1/jwks").DoRaw(ctx)
	if err != nil {
		return found, fmt.Errorf("read /openid/v1/jwks: %w: the ClusterRole %s allows it", err, discoveryRole)
	}
	found.Keys = string(keys)
	return found, nil
}
