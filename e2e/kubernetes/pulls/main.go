// Command pulls asks for the credentials of many pods' images at once, as the kubelets of their nodes do: by the kubelet's own
// package, which runs the credential providers of a configuration. It reads what to ask for from standard input, and writes what
// came of it.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/credentialprovider/plugin"
)

// work is what to do.
type work struct {
	// Config and Folder are those that a kubelet has as --image-credential-provider-config and -bin-dir.
	Config, Folder string
	// URL is where the API server is, and CA the file with its authority.
	URL, CA string
	// Nodes are the bearer tokens of kubelets by their names.
	Nodes map[string]string
	Pods  []pod
}

// pod is one that starts.
type pod struct{ Node, Namespace, ServiceAccount, Name, UID, Image string }

// credential is what came of one; Error is why the API server gave no token.
type credential struct{ Username, Password, Error string }

func main() {
	var w work
	if err := json.NewDecoder(os.Stdin).Decode(&w); err != nil {
		fail(err)
	}
	k, err := newKubelets(w)
	if err != nil {
		fail(err)
	}
	if err := plugin.RegisterCredentialProviderPlugins(w.Config, w.Folder, k.token, k.account); err != nil {
		fail(err)
	}
	got := make([]credential, len(w.Pods))
	var all sync.WaitGroup
	for n, p := range w.Pods {
		all.Go(func() { got[n] = k.pull(p) })
	}
	all.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(got); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// kubelets are those of all nodes.
type kubelets struct {
	work
	client *http.Client
	pods   map[string]pod // by namespace and name

	mu     sync.Mutex
	errors map[string]string // by namespace and name of the pod
}

func newKubelets(w work) (*kubelets, error) {
	authority, err := os.ReadFile(w.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	k := &kubelets{work: w, pods: map[string]pod{}, errors: map[string]string{}}
	k.client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 50, MaxConnsPerHost: 50,
	}}
	for _, p := range w.Pods {
		k.pods[p.Namespace+"/"+p.Name] = p
	}
	return k, nil
}

func (k *kubelets) pull(p pod) credential {
	found, ok := plugin.NewExternalCredentialProviderDockerKeyring(p.Namespace, p.Name, p.UID, p.ServiceAccount).Lookup(p.Image)
	if !ok || len(found) == 0 {
		k.mu.Lock()
		defer k.mu.Unlock()
		return credential{Error: k.errors[p.Namespace+"/"+p.Name]}
	}
	return credential{Username: found[0].Username, Password: found[0].Password}
}

// account reads a service account, as a kubelet's informer does.
func (k *kubelets) account(namespace, name string) (*v1.ServiceAccount, error) {
	for _, p := range k.Pods { // a kubelet may read those of its pods
		if p.Namespace == namespace && p.ServiceAccount == name {
			account := new(v1.ServiceAccount)
			return account, k.patiently(k.Nodes[p.Node], http.MethodGet, "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+name, nil, account)
		}
	}
	return nil, errors.New("there is no such pod")
}

// patiently asks again while the API server does not know yet which pods run on a node: it learns that within a moment.
func (k *kubelets) patiently(bearer, method, path string, body, into any) error {
	const patience = time.Minute
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		err := k.ask(bearer, method, path, body, into)
		if err == nil || !strings.Contains(err.Error(), "no relationship found") || time.Since(began) > patience {
			return err
		}
	}
}

// token asks for a token as the kubelet of the pod's node.
func (k *kubelets) token(namespace, name string, request *authenticationv1.TokenRequest) (*authenticationv1.TokenRequest, error) {
	p := namespace + "/" + request.Spec.BoundObjectRef.Name
	answer := new(authenticationv1.TokenRequest)
	err := k.patiently(k.Nodes[k.pods[p].Node], http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+name+"/token", request, answer)
	if err != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.errors[p] = err.Error()
	}
	return answer, err
}

func (k *kubelets) ask(bearer, method, path string, body, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(context.Background(), method, k.URL+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	request.Header.Set("Content-Type", "application/json")
	response, err := k.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s: %s", response.Status, content)
	}
	return json.Unmarshal(content, into)
}
