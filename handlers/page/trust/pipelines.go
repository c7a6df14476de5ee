package trust

import (
	"cmp"
	"embed"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/template"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
)

// pipelineFiles are the pipelines of examples/ci with names to fill in.
//
//go:embed pipelines
var pipelineFiles embed.FS

var pipelineTemplates = sync.OnceValues(func() (*template.Template, error) {
	return template.New("pipelines").ParseFS(pipelineFiles, "pipelines/*")
})

// pipelineFile is one of these, and where it goes.
type pipelineFile struct{ file, Where string }

// pipeline is what stands in it.
type pipeline struct {
	// Host is the registry as images name it, Audience whom a token has to be for.
	Host, Audience string
	Robot, Image   string
	Branch         string
	// Namespace and Account are those of a service account of Kubernetes.
	Namespace, Account string
}

// plainName is what is itself in YAML and in a shell.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*(:[A-Za-z0-9._/-]+)*$`)

// plainOr is a text that needs no quotes, or else a name to be replaced.
func plainOr(text, name string) string {
	if plainName.MatchString(text) {
		return text
	}
	return name
}

// branchClaims are those that name a branch.
var branchClaims = []string{"ref", "build_branch", "oidc.circleci.com/vcs-ref", "branchName"}

// pipelineOf fills in what a binding says.
func (h *pages) pipelineOf(v *frame.Visit, issuer adminapi.Issuer, b adminapi.Binding) pipeline {
	host, audience := v.Host, v.Host
	if len(h.Services) > 0 {
		audience = h.Services[0].Name
		host = h.Registries[audience].ClientHost(audience, v.Host)
	}
	if len(issuer.Audiences) > 0 {
		audience = issuer.Audiences[0]
	}
	p := pipeline{
		Host: plainOr(host, "REGISTRY"), Audience: plainOr(audience, "AUDIENCE"), Robot: b.Robot.Name, Image: "team/app",
		Branch: "main", Namespace: "build", Account: "builder",
	}
	for _, scope := range b.Scopes {
		if scope.Type == access.Repository && !strings.ContainsAny(scope.Name, "*{") {
			p.Image = plainOr(scope.Name, p.Image)
			break
		}
	}
	for _, claim := range b.Claims {
		name, value, _ := strings.Cut(claim, "=")
		switch {
		case slices.Contains(branchClaims, name) && !strings.HasPrefix(value, "refs/tags/"):
			p.Branch = plainOr(strings.TrimPrefix(value, "refs/heads/"), p.Branch)
		case name == "kubernetes.io/namespace":
			p.Namespace = plainOr(value, p.Namespace)
		case name == "kubernetes.io/serviceaccount/name":
			p.Account = plainOr(value, p.Account)
		}
	}
	return p
}

// serviceNames are those of the registries that tokens are issued for.
func (h *pages) serviceNames() []string {
	var names []string
	for _, service := range h.Services {
		names = append(names, service.Name)
	}
	return names
}

// fill makes the texts to paste.
func (p pipeline) fill(files []pipelineFile) ([]frame.Copyable, error) {
	all, err := pipelineTemplates()
	if err != nil {
		return nil, err
	}
	texts := make([]frame.Copyable, len(files))
	for i, file := range files {
		var text strings.Builder
		if err := all.ExecuteTemplate(&text, file.file, p); err != nil {
			return nil, err
		}
		texts[i] = frame.Copyable{Label: cmp.Or(file.Where, file.file), Text: text.String()}
	}
	return texts, nil
}
