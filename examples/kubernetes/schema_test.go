package kubernetes

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"sigs.k8s.io/yaml"
)

// Every object of cert-manager is valid by the schema that cert-manager installs in a cluster.
func TestSchemas(t *testing.T) {
	checked := 0
	for _, d := range readManifests(t) {
		if !strings.HasPrefix(d.APIVersion, "cert-manager.io/") {
			continue
		}
		checked++
		var object map[string]any
		require.NoError(t, yaml.Unmarshal(d.raw, &object))
		validator := schemaOf(t, strings.ToLower(d.Kind)+"s")
		for _, err := range validation.ValidateCustomResource(nil, object, validator) {
			t.Errorf("%s %s: %v", d.Kind, d.object.GetName(), err)
		}

		// The schema is not one that takes anything.
		object["spec"].(map[string]any)["issuerRef"] = "a name"
		if d.Kind == "Certificate" {
			require.NotEmpty(t, validation.ValidateCustomResource(nil, object, validator))
		}
	}
	require.Equal(t, 2, checked)
}

// schemaOf reads the definition of a resource from cert-manager's module.
func schemaOf(t *testing.T, plural string) validation.SchemaValidator {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager").Output()
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "deploy", "crds", "cert-manager.io_"+plural+".yaml"))
	require.NoError(t, err)
	var definition apiextensionsv1.CustomResourceDefinition
	require.NoError(t, yaml.Unmarshal(content, &definition))
	for _, version := range definition.Spec.Versions {
		if version.Name != "v1" {
			continue
		}
		var schema apiextensions.CustomResourceValidation
		require.NoError(t, apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(version.Schema, &schema, nil))
		validator, _, err := validation.NewSchemaValidator(schema.OpenAPIV3Schema)
		require.NoError(t, err)
		return validator
	}
	t.Fatalf("cert-manager has no %s of version v1", plural)
	return nil
}
