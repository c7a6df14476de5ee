package frame

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed assets
var assetFiles embed.FS

// assetsPath is where assets stand below [Root].
const assetsPath = "assets/"

// asset is a file that never changes under its name.
type asset struct {
	contentType   string
	plain, gziped []byte
}

// assetBundle has the assets by the names that they are served under, and these names
// by those of the files.
type assetBundle struct {
	served map[string]asset
	names  map[string]string
}

// assets are made once.
var assets = sync.OnceValue(func() assetBundle {
	bundle := assetBundle{map[string]asset{}, map[string]string{}}
	entries, _ := assetFiles.ReadDir("assets") // it is in the binary
	for _, entry := range entries {
		content, _ := assetFiles.ReadFile("assets/" + entry.Name())
		sum := sha256.Sum256(content)
		extension := path.Ext(entry.Name())
		name := strings.TrimSuffix(entry.Name(), extension) + "." + hex.EncodeToString(sum[:8]) + extension
		bundle.names[entry.Name()] = name
		bundle.served[name] = asset{mime.TypeByExtension(extension), content, compressed(content)}
	}
	return bundle
})

func compressed(content []byte) []byte {
	var small bytes.Buffer
	w, _ := gzip.NewWriterLevel(&small, gzip.BestCompression) // a level that there is
	_, _ = w.Write(content)
	_ = w.Close() // memory takes everything
	return small.Bytes()
}

// assetPath is the path of the asset that is made of a file.
func assetPath(file string) string { return Root + assetsPath + assets().names[file] }

func serveAsset(w http.ResponseWriter, r *http.Request) {
	found, ok := assets().served[r.PathValue("name")]
	if !ok {
		http.Error(w, "no such asset: reload the page", http.StatusNotFound)
		return
	}
	header, content := w.Header(), found.plain
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Content-Type", found.contentType)
	header.Set("Vary", "Accept-Encoding")
	if acceptsGzip(r) {
		header.Set("Content-Encoding", "gzip")
		content = found.gziped
	}
	header.Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content) // the client is gone
}

func acceptsGzip(r *http.Request) bool {
	for accepted := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, quality, _ := strings.Cut(accepted, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			return strings.Trim(strings.TrimPrefix(strings.TrimSpace(quality), "q="), "0.") != "" || strings.TrimSpace(quality) == ""
		}
	}
	return false
}
