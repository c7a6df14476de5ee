// Scanner writes what syft finds in a file system as BuildKit asks a scanner to: BUILDKIT_SCAN_SOURCE is the file system, and
// BUILDKIT_SCAN_DESTINATION the folder for statements of in-toto, whose subject BuildKit fills in.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	if err := scan(context.Background(), os.Getenv("BUILDKIT_SCAN_SOURCE"), os.Getenv("BUILDKIT_SCAN_DESTINATION")); err != nil {
		fmt.Fprintln(os.Stderr, "scanner:", err)
		os.Exit(1)
	}
}

func scan(ctx context.Context, source, destination string) error {
	syft := exec.CommandContext(ctx, "/syft", "scan", "--quiet", "--output", "spdx-json", "dir:"+source) //nolint:gosec // what BuildKit says
	syft.Env = append(os.Environ(), "SYFT_CHECK_FOR_APP_UPDATE=false", "HOME=/")
	syft.Stderr = os.Stderr
	document, err := syft.Output()
	if err != nil {
		return fmt.Errorf("scan %s: %w", source, err)
	}
	statement, err := json.Marshal(map[string]any{
		"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document", "predicate": json.RawMessage(document),
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(destination, "image.spdx.json"), statement, 0o600) //nolint:gosec // where BuildKit says
}
