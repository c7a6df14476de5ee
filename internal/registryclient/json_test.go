package registryclient

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/printable"
)

func digestOf(document string) Digest {
	sum := sha256.Sum256([]byte(document))
	return Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// FuzzDocuments reads what anybody may have pushed: nothing of it is long, or hides
// something, and nothing panics.
func FuzzDocuments(f *testing.F) {
	f.Add([]byte(`{"mediaType":"a","layers":[{"digest":"sha256:x","size":1,"platform":{"os":"linux"}}],"annotations":{"a":"b"},"manifests":[{}],"subject":{}}`))
	f.Add([]byte(`{"created":"2026-01-01T00:00:00Z","config":{"Cmd":["\u202e"],"Labels":{"a":1},"ExposedPorts":{"80/tcp":{}}}}`))
	f.Add([]byte(`{"annotations":[],"layers":{},"config":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m Manifest
		if json.Unmarshal(data, &m) == nil {
			requireShown(t, m.MediaType, m.ArtifactType, m.Config.MediaType)
			for _, a := range m.Annotations {
				requireShown(t, a.Key, a.Value)
			}
			assert.LessOrEqual(t, len(m.Layers), maxList)
		}
		var c ImageConfig
		if json.Unmarshal(data, &c) == nil {
			requireShown(t, c.OS, c.Author, c.Config.User)
			assert.GreaterOrEqual(t, c.Weight(), 0)
		}
		names := 0
		err := readTexts(strings.NewReader(string(data)), 1<<16, "layers", func(string) bool { names++; return names < 10 })
		assert.LessOrEqual(t, names, 10)
		if err != nil {
			assert.ErrorIs(t, err, ErrAnswer)
		}
	})
}

func requireShown(t *testing.T, texts ...Text) {
	t.Helper()
	for _, text := range texts {
		require.Equal(t, string(text), printable.Line(string(text)))
		require.LessOrEqual(t, len(text), maxText+len("…"))
	}
}
