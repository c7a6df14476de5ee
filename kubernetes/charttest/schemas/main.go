// Command schemas writes what the tests check manifests against into testdata/schemas: definitions of Kubernetes from the OpenAPI
// document of its module, and definitions of resources from the modules of those who define them. They have no descriptions.
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// kinds are what manifests may hold of Kubernetes, as OpenAPI names them.
var kinds = []string{
	"io.k8s.api.core.v1.Namespace", "io.k8s.api.core.v1.Secret", "io.k8s.api.core.v1.Service", "io.k8s.api.core.v1.ServiceAccount",
	"io.k8s.api.core.v1.PersistentVolumeClaim", "io.k8s.api.core.v1.Pod", "io.k8s.api.core.v1.ConfigMap",
	"io.k8s.api.apps.v1.Deployment", "io.k8s.api.apps.v1.DaemonSet", "io.k8s.api.batch.v1.Job", "io.k8s.api.policy.v1.PodDisruptionBudget",
	"io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler", "io.k8s.api.networking.v1.Ingress", "io.k8s.api.networking.v1.NetworkPolicy",
	"io.k8s.api.rbac.v1.Role", "io.k8s.api.rbac.v1.RoleBinding", "io.k8s.api.rbac.v1.ClusterRole", "io.k8s.api.rbac.v1.ClusterRoleBinding",
	"io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy", "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding",
}

// resources are files of modules.
var resources = []struct{ module, file string }{
	{"github.com/cert-manager/cert-manager@v1.21.2", "deploy/crds/cert-manager.io_certificates.yaml"},
	{"github.com/cert-manager/cert-manager@v1.21.2", "deploy/crds/cert-manager.io_issuers.yaml"},
	{"sigs.k8s.io/gateway-api@v1.6.0", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"},
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"},
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"},
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schemas FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(folder string) error {
	at, err := module("k8s.io/kubernetes@v1.37.2")
	if err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(at, "api", "openapi-spec", "swagger.json"))
	if err != nil {
		return err
	}
	var document struct{ Definitions map[string]any }
	if err := json.Unmarshal(content, &document); err != nil {
		return err
	}
	wanted := map[string]any{}
	for _, kind := range kinds {
		if err := collect(document.Definitions, kind, wanted); err != nil {
			return err
		}
	}
	if err := write(filepath.Join(folder, "kubernetes.json"), map[string]any{"definitions": wanted}); err != nil {
		return err
	}
	for _, r := range resources {
		at, err := module(r.module)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(filepath.Join(at, filepath.FromSlash(r.file)))
		if err != nil {
			return err
		}
		var definition map[string]any
		if err := yaml.Unmarshal(content, &definition); err != nil {
			return err
		}
		name := strings.TrimSuffix(filepath.Base(r.file), ".yaml") + ".json"
		if err := write(filepath.Join(folder, name), slim(definition)); err != nil {
			return err
		}
	}
	return nil
}

// module is the folder of one.
func module(name string) (string, error) {
	output, err := exec.Command("go", "mod", "download", "-json", name).Output() //nolint:gosec,noctx // a constant; who waits presses Ctrl-C
	if err != nil {
		return "", fmt.Errorf("download %s: %w", name, err)
	}
	var answer struct{ Dir string }
	return answer.Dir, json.Unmarshal(output, &answer)
}

// collect adds a definition to wanted, and all that it refers to.
func collect(from map[string]any, name string, wanted map[string]any) error {
	if _, done := wanted[name]; done {
		return nil
	}
	definition, ok := from[name]
	if !ok {
		return fmt.Errorf("there is no definition %s", name)
	}
	definition = slim(definition)
	wanted[name] = definition
	for _, other := range references(definition) {
		if err := collect(from, other, wanted); err != nil {
			return err
		}
	}
	return nil
}

func references(v any) []string {
	var all []string
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if text, ok := v[key].(string); ok && key == "$ref" {
				all = append(all, strings.TrimPrefix(text, "#/definitions/"))
				continue
			}
			all = append(all, references(v[key])...)
		}
	case []any:
		for _, one := range v {
			all = append(all, references(one)...)
		}
	}
	return all
}

// slim is a definition without its descriptions. A property may have that name.
func slim(v any) any {
	switch v := v.(type) {
	case map[string]any:
		next := map[string]any{}
		for key, value := range v {
			if _, text := value.(string); key == "description" && text {
				continue
			}
			next[key] = slim(value)
		}
		return next
	case []any:
		next := make([]any, len(v))
		for i, one := range v {
			next[i] = slim(one)
		}
		return next
	default:
		return v
	}
}

func write(path string, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(content, '\n'), 0o644) //nolint:gosec // everybody may read it
}
