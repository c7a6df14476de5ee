package state_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/statetest"
	"github.com/dockit-registry/dockit/state"
)

func BenchmarkParse(b *testing.B) {
	text, err := statetest.Large(10_000, 1_000, 50_000).Bytes(state.YAML)
	require.NoError(b, err)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := state.Parse(bytes.NewReader(text))
		require.NoError(b, err)
	}
}

func BenchmarkWrite(b *testing.B) {
	d := statetest.Large(10_000, 1_000, 50_000)
	b.ReportAllocs()
	for b.Loop() {
		_, err := d.Bytes(state.YAML)
		require.NoError(b, err)
	}
}

func BenchmarkDiff(b *testing.B) {
	current, wanted := statetest.Large(10_000, 1_000, 50_000), statetest.Large(10_000, 1_000, 50_000)
	for i := range wanted.Subjects {
		if i%10 == 0 {
			wanted.Subjects[i].Permissions = append(wanted.Subjects[i].Permissions,
				access.Permission{Type: access.Repository, Name: fmt.Sprintf("extra-%d", i), Actions: access.Pull})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		_, err := diff(current, wanted, state.Options{Prune: true})
		require.NoError(b, err)
	}
}
