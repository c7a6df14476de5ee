// Package render makes manifests of the chart and of the kustomization in examples, as helm and kustomize do.
package render

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// Release is that of what is rendered.
const Release = "dockit"

// Namespace is that of what is rendered.
const Namespace = "registry"

// Chart is what the chart in a folder makes of values, by the names of templates.
func Chart(folder string, values map[string]any) (map[string]string, error) {
	return ChartAs(folder, Release, Namespace, values)
}

// ChartAs is what the chart in a folder makes of values for a release in a namespace.
func ChartAs(folder, release, namespace string, values map[string]any) (map[string]string, error) {
	c, err := loader.Load(folder)
	if err != nil {
		return nil, fmt.Errorf("read the chart: %w", err)
	}
	all, err := util.ToRenderValues(c, values, common.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}, nil)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, all)
}

// Manifests are the documents of what was rendered, in the order of the names of templates.
func Manifests(rendered map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(rendered)) {
		if strings.HasSuffix(name, ".txt") || strings.HasSuffix(name, ".tpl") {
			continue
		}
		all = append(all, Documents(rendered[name])...)
	}
	return all
}

// Documents are those of a text that hold something.
func Documents(text string) []string {
	var all []string
	for document := range strings.SplitSeq("\n"+text, "\n---") {
		if hasObject(document) {
			all = append(all, strings.TrimSpace(document)+"\n")
		}
	}
	return all
}

// hasObject reports whether a document has more than space and comments.
func hasObject(document string) bool {
	for line := range strings.Lines(document) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return true
		}
	}
	return false
}

// Kustomize is what the kustomization in a folder makes.
func Kustomize(folder string) (string, error) { return kustomize(filesys.MakeFsOnDisk(), folder) }

// Overlay is what an overlay of the kustomization in a folder makes with components of it, by the names of their folders and in that
// order, in a namespace. Default: that of the kustomization.
func Overlay(folder, namespace string, components ...string) (string, error) {
	// An overlay refers to nothing by an absolute path, so that it is read from memory together with what it is of.
	memory := filesys.MakeFsInMemory()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path) //nolint:gosec // a file of the folder
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		return memory.WriteFile(filepath.Join("/base", inside), content)
	})
	if err != nil {
		return "", err
	}
	overlay := types.Kustomization{
		TypeMeta: types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind}, Resources: []string{"../base"}, Namespace: namespace,
	}
	for _, name := range components {
		overlay.Components = append(overlay.Components, "../base/components/"+name)
	}
	content, err := yaml.Marshal(overlay)
	if err != nil {
		return "", err
	}
	if err := memory.WriteFile("/overlay/kustomization.yaml", content); err != nil {
		return "", err
	}
	return kustomize(memory, "/overlay")
}

func kustomize(files filesys.FileSystem, folder string) (string, error) {
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, folder)
	if err != nil {
		return "", err
	}
	content, err := made.AsYaml()
	return string(content), err
}
