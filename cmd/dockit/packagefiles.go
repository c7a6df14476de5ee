package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/version"
)

// completions are the files that shells look for, by the shell.
var completions = map[string]string{"bash": "dockit.bash", "fish": "dockit.fish", "zsh": "_dockit"}

// newPackageCommand makes what packages have beside the program. A Caddy has a
// command manpage of its own.
func newPackageCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "package-files FOLDER",
		Short:  "Write man pages and completions of shells, for packages",
		Hidden: true,
		Long: `Write the man page of every command to FOLDER/man, and the scripts that make shells complete
commands to FOLDER/completions. SOURCE_DATE_EPOCH says from when they are.`,
		Example: "  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) dockit package-files dist",
		Args:    func(cmd *cobra.Command, args []string) error { return cli.UsageError(cobra.ExactArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			return writePackageFiles(cmd.Root(), args[0])
		},
	}
}

func writePackageFiles(root *cobra.Command, folder string) error {
	pages, scripts := filepath.Join(folder, "man"), filepath.Join(folder, "completions")
	for _, made := range []string{pages, scripts} {
		if err := os.MkdirAll(made, 0o755); err != nil { //nolint:gosec // everybody may read them
			return fmt.Errorf("make a folder for what packages have: %w", err)
		}
	}
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Section: "1", Source: "Dockit " + version.Read().Version, Manual: "Dockit"}
	if err := doc.GenManTree(root, header, pages); err != nil {
		return fmt.Errorf("write man pages: %w", err)
	}
	completion, _, err := root.Find([]string{"completion"})
	if err != nil {
		return err
	}
	for shell, name := range completions {
		var script strings.Builder
		root.SetOut(&script)
		if err := completion.RunE(completion, []string{shell}); err != nil {
			return fmt.Errorf("write the completion of %s: %w", shell, err)
		}
		if err := os.WriteFile(filepath.Join(scripts, name), []byte(script.String()), 0o644); err != nil { //nolint:gosec // everybody may read it
			return fmt.Errorf("write the completion of %s: %w", shell, err)
		}
	}
	return nil
}
