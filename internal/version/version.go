// Package version knows which Dockit and which Caddy are running.
package version

import (
	"runtime"
	"runtime/debug"
)

// Version and Commit are set by the linker in releases. Without that, they are
// what the Go toolchain knows.
var (
	Version string
	Commit  string
)

const (
	modulePath = "github.com/dockit-registry/dockit"
	caddyPath  = "github.com/caddyserver/caddy/v2"
	unknown    = "unknown"
)

// Build says what a binary was built from.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
	Caddy   string `json:"caddy"`
}

// Read reports what this binary was built from.
func Read() Build {
	b := Build{Version: Version, Commit: Commit, Go: runtime.Version(), Caddy: unknown}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b.filled()
	}
	for _, module := range append([]*debug.Module{&info.Main}, info.Deps...) {
		switch module.Path {
		case modulePath:
			if b.Version == "" {
				b.Version = module.Version
			}
		case caddyPath:
			b.Caddy = module.Version
		}
	}
	if info.Main.Path == modulePath && b.Commit == "" {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				b.Commit = setting.Value
			}
		}
	}
	return b.filled()
}

func (b Build) filled() Build {
	if b.Version == "" {
		b.Version = "(devel)"
	}
	if b.Commit == "" {
		b.Commit = unknown
	}
	return b
}
