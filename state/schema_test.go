package state_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/dockit-registry/dockit/internal/statetest"
	"github.com/dockit-registry/dockit/state"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(state.Schema()))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("urn:dockit:state:v1", schema))
	compiled, err := compiler.Compile("urn:dockit:state:v1")
	require.NoError(t, err)
	return compiled
}

func validate(t *testing.T, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON(text)
	require.NoError(t, err)
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	require.NoError(t, err)
	return schema.Validate(instance)
}

func TestSchemaTakesDocuments(t *testing.T) {
	schema := compileSchema(t)
	for seed := range uint64(200) {
		for _, format := range []state.Format{state.YAML, state.JSON} {
			text, err := statetest.Document(rand.New(rand.NewPCG(seed, 3))).Bytes(format)
			require.NoError(t, err)
			require.NoError(t, validate(t, schema, text), "seed %d:\n%s", seed, text)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	schema := compileSchema(t)
	for _, tc := range refused {
		if tc.noSchema {
			continue
		}
		t.Run(tc.name, func(t *testing.T) {
			assert.Error(t, validate(t, schema, []byte(tc.text)))
		})
	}
}
