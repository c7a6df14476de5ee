package charttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/dockit-registry/dockit/kubernetes/internal/render"
)

//go:generate go run ./schemas testdata/schemas

// schemas are those of testdata, by apiVersion and kind. What a schema does not name is a mistake, as an API server has it
// with strict validation.
var schemas = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	compiler, places := jsonschema.NewCompiler(), map[string]string{}
	files, err := filepath.Glob("testdata/schemas/*.json")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var document map[string]any
		if err := json.Unmarshal(content, &document); err != nil {
			return nil, err
		}
		url := "https://schemas.test/" + filepath.Base(file)
		if document["kind"] == "CustomResourceDefinition" {
			document = ofResource(document, url, places)
		} else {
			ofKubernetes(document, url, places)
		}
		if err := compiler.AddResource(url, strict(document)); err != nil {
			return nil, err
		}
	}
	all := map[string]*jsonschema.Schema{}
	for name, place := range places {
		if all[name], err = compiler.Compile(place); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return all, nil
})

// ofKubernetes finds the kinds among definitions.
func ofKubernetes(document map[string]any, url string, places map[string]string) {
	for name, definition := range document["definitions"].(map[string]any) {
		kinds, _ := definition.(map[string]any)["x-kubernetes-group-version-kind"].([]any)
		if len(kinds) != 1 {
			continue // of many groups, such as DeleteOptions
		}
		kind := kinds[0].(map[string]any)
		version := kind["version"].(string)
		if group := kind["group"].(string); group != "" {
			version = group + "/" + version
		}
		places[version+" "+kind["kind"].(string)] = url + "#/definitions/" + name
	}
}

// ofResource is the schemas of a custom resource's versions.
func ofResource(document map[string]any, url string, places map[string]string) map[string]any {
	spec, definitions := document["spec"].(map[string]any), map[string]any{}
	for _, v := range spec["versions"].([]any) {
		version := v.(map[string]any)
		name := version["name"].(string)
		definitions[name] = version["schema"].(map[string]any)["openAPIV3Schema"]
		places[fmt.Sprintf("%s/%s %s", spec["group"], name, spec["names"].(map[string]any)["kind"])] = url + "#/definitions/" + name
	}
	return map[string]any{"definitions": definitions}
}

// strict is a schema of OpenAPI as one of JSON Schema that takes no property which it does not name.
func strict(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v["x-kubernetes-int-or-string"] == true || v["format"] == "int-or-string" {
			return map[string]any{"type": []any{"integer", "string"}}
		}
		next := map[string]any{}
		for key, value := range v {
			if properties, ok := value.(map[string]any); ok && key == "properties" {
				named := map[string]any{}
				for name, property := range properties {
					named[name] = strict(property)
				}
				next[key] = named
				continue
			}
			if text, ok := value.(string); ok && (key == "format" || key == "pattern" && strings.Contains(text, "(?")) {
				continue // what the library and Kubernetes mean by it differs
			}
			next[key] = strict(value)
		}
		_, open := v["additionalProperties"]
		if _, ok := v["properties"].(map[string]any); ok && !open && v["x-kubernetes-preserve-unknown-fields"] != true && v["type"] == "object" {
			next["additionalProperties"] = false
		}
		return next
	case []any:
		next := make([]any, len(v))
		for i, one := range v {
			next[i] = strict(one)
		}
		return next
	default:
		return v
	}
}

// valid guards that documents are as the schemas say.
func valid(t *testing.T, documents []string) {
	t.Helper()
	require.NotEmpty(t, documents)
	for _, document := range documents {
		require.NoError(t, check(t, document), document)
	}
}

func check(t *testing.T, document string) error {
	t.Helper()
	all, err := schemas()
	require.NoError(t, err)
	var object map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(document), &object), document)
	name := fmt.Sprintf("%v %v", object["apiVersion"], object["kind"])
	schema, ok := all[name]
	require.True(t, ok, "no schema of %s: add it to schemas/main.go, and run go generate", name)
	return schema.Validate(object)
}

// TestManifestsAreValid has what the chart makes of each file of values, and the manifests of the examples, as the schemas in testdata
// say. What the kustomization and its components make is checked where that is compared with the chart.
func TestManifestsAreValid(t *testing.T) {
	for _, file := range valueFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			rendered, err := render.Chart(folder, valuesOf(t, string(content)))
			require.NoError(t, err)
			valid(t, render.Manifests(rendered))
		})
	}
	for _, pattern := range []string{"../../examples/kubernetes/*.yaml", "../../examples/ci/kubernetes/*.yaml"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			t.Run(filepath.Base(file), func(t *testing.T) {
				content, err := os.ReadFile(file)
				require.NoError(t, err)
				valid(t, render.Documents(string(content)))
			})
		}
	}
}

// TestSchemasRefuse guards that the schemas do not take everything.
func TestSchemasRefuse(t *testing.T) {
	for document, says := range map[string]string{
		"{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {port: 1}}":                                                           "additional properties 'port' not allowed",
		"{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: http}]}}":                                             "got string, want integer",
		"{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 1}}":                                               "missing properties 'selector', 'template'",
		"{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: a}, spec: {secretName: a, issuerRef: a}}":                   "want object",
		"{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: a}, spec: {rules: [{matches: [{paths: {}}]}]}}":     "additional properties 'paths' not allowed",
		"{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: a}, spec: {selector: {}, endpoints: [{port: 1}]}}": "want string",
	} {
		err := check(t, document)
		require.ErrorContains(t, err, says, document)
	}
	all, err := schemas()
	require.NoError(t, err)
	assert.Contains(t, maps.Clone(all), "monitoring.coreos.com/v1 PrometheusRule")
}
