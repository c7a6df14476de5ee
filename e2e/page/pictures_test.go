package page

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
)

// writePictures has the pictures of the documentation kept in docs/images.
const writePictures = "DOCKIT_TEST_WRITE_PICTURES"

// documented are the pictures of docs/images, by their names.
var documented = map[string]struct {
	path string
	// at is what stands at the top. Default: the top of the page.
	at     string
	height int64
	dark   bool
}{
	"repositories": {path: "repositories", height: 720},
	"tags":         {path: "repositories/tags?name=payments/api", height: 760},
	"image":        {path: "repositories/image?name=payments/api&tag=2.4.1", height: 860},
	"access":       {path: "repositories/access?name=payments/api&subject=user:bob", height: 900},
	"robot":        {path: "robots/deploy/credentials", height: 620},
	"preview":      {path: "groups/backend/permissions/preview?permission=repository:web/**:pull", height: 640},
	"issuer":       {path: "issuers/gitlab", at: "section:has(#bindings)", height: 720, dark: true},
	"binding":      {path: "bindings/payments-main", height: 1000},
	"keys":         {path: "keys", height: 680},
	"audit":        {path: "audit", at: "section:has(#entries)", height: 800},
}

// TestPictures takes the pictures of the documentation, of teams that do not exist; `make screenshots` keeps them.
func TestPictures(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if os.Getenv(writePictures) != "" {
		root, err := build.Root()
		require.NoError(t, err)
		folder = filepath.Join(root, "docs", "images")
	}
	e := newLivedIn(t)
	e.pushImages(t)
	b := newBrowser(t, e.site, true)
	b.signIn("root")
	b.finds("issuers/gitlab", "closest binding") // this is written down a little later, and so is the last use of a token
	b.finds("robots/deploy/credentials", "198.51.100.9")
	for name, p := range documented {
		b.theme(map[bool]string{true: "dark", false: "light"}[p.dark])
		b.size(1280, p.height)
		b.open(p.path)
		if p.at != "" {
			evaluate[any](b, `document.querySelector("`+p.at+`").scrollIntoView(); true`)
		}
		picture := ask(b, chromedp.CaptureScreenshot())
		small, err := smaller(picture)
		require.NoError(t, err)
		assert.Less(t, len(small), 60<<10, "%s: bytes", name)
		require.NoError(t, os.WriteFile(filepath.Join(folder, "page-"+name+".png"), small, 0o644))
	}
}

// smaller is a PNG with the 64 colours that it has most of, which for text on a plain ground nobody sees.
func smaller(picture []byte) ([]byte, error) {
	full, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	count := map[color.Color]int{}
	for y := full.Bounds().Min.Y; y < full.Bounds().Max.Y; y++ {
		for x := full.Bounds().Min.X; x < full.Bounds().Max.X; x++ {
			count[full.At(x, y)]++
		}
	}
	var palette color.Palette
	for c := range count {
		palette = append(palette, c)
	}
	slices.SortFunc(palette, func(a, b color.Color) int { return cmp.Compare(count[b], count[a]) })
	reduced := image.NewPaletted(full.Bounds(), palette[:min(len(palette), 64)])
	draw.Draw(reduced, reduced.Bounds(), full, full.Bounds().Min, draw.Src)
	var small bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	err = encoder.Encode(&small, reduced)
	return small.Bytes(), err
}
