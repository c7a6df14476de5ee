// Package render makes manifests of the chart and of the kustomization in examples, as helm and kustomize do.
package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Release is that of what is rendered.
const Release = "dockit"

// Namespace is that of what is rendered.
const Namespace = "registry"

// Chart is what the chart in a folder makes of values, by the names of templates.
func Chart(folder string, values map[string]any) (map[string]string, error) {
	return ChartAs(folder, Release, values)
}

// ChartAs is what the chart in a folder makes of values for a release of another name.
func ChartAs(folder, release string, values map[string]any) (map[string]string, error) {
	c, err := loader.Load(folder)
	if err != nil {
		return nil, fmt.Errorf("read the chart: %w", err)
	}
	all, err := util.ToRenderValues(c, values, common.ReleaseOptions{Name: release, Namespace: Namespace, Revision: 1, IsInstall: true}, nil)
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
func Kustomize(folder string) (string, error) {
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return "", err
	}
	content, err := made.AsYaml()
	return string(content), err
}
