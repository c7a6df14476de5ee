// Command render writes the manifests that the chart makes of a file of values, or a kustomization with components, for tests that have
// no helm.
package main

import (
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/dockit-registry/dockit/kubernetes/internal/render"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "kustomize":
		text, err := render.Kustomize(args[1])
		fmt.Print(text)
		return err
	case len(args) > 2 && args[0] == "overlay":
		text, err := render.Overlay(args[1], "", args[2:]...)
		fmt.Print(text)
		return err
	case len(args) == 3 && args[0] == "chart":
		content, err := os.ReadFile(args[2]) //nolint:gosec // a file that who runs it names
		if err != nil {
			return err
		}
		var values map[string]any
		if err := yaml.Unmarshal(content, &values); err != nil {
			return err
		}
		rendered, err := render.Chart(args[1], values)
		fmt.Print(strings.Join(render.Manifests(rendered), "---\n"))
		return err
	default:
		return fmt.Errorf("usage: render chart FOLDER VALUES, render kustomize FOLDER, or render overlay FOLDER COMPONENT…")
	}
}
