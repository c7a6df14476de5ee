package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
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

// ReadBuild tells what this binary was built from.
func ReadBuild() Build {
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

func newVersionCommand() *cobra.Command {
	var output outputFlags
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the commit, and the versions of Go and Caddy",
		Example: "  dockit version\n  dockit version -o json",
		Args:    cobra.NoArgs,
	}
	output.register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		p, err := output.printer(cmd)
		if err != nil {
			return err
		}
		return printVersion(p)
	}
	return cmd
}

func printVersion(p *printer) error {
	b := ReadBuild()
	return p.one(b, b.Version, func() {
		p.line(fmt.Sprintf("dockit %s", b.Version))
		p.line(fmt.Sprintf("commit %s", b.Commit))
		p.line(fmt.Sprintf("go     %s", b.Go))
		p.line(fmt.Sprintf("caddy  %s", b.Caddy))
	})
}
