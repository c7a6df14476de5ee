package main

import (
	"cmp"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// programs are those that are run.
type programs struct {
	dockit     string
	registries map[registry.Kind]string
	// paths are those of clients by their names.
	paths map[string]string
	// short is a folder with a short path.
	short string
	// versions are those of clients and registries, and absent is why one is not there.
	versions, absent map[string]string
}

// goClients are the clients that scripts/get-interop-clients builds, as NAME-VERSION.
var goClients = []string{"regctl", "kaniko", "nerdctl", "buildctl", "buildkitd"}

// debianClients are those that scripts get from Debian's packages.
var debianClients = []string{"docker", "dockerd", "containerd", "ctr", "skopeo", "podman", "buildah", "docker-credential-pass", "docker-credential-secretservice"}

// find builds what the modules of the tests pin, and looks for the others where the scripts put them.
func find(ctx context.Context, folder string, wanted func(name string) bool) (programs, error) {
	p := programs{registries: map[registry.Kind]string{}, paths: map[string]string{}, versions: map[string]string{}, absent: map[string]string{}}
	root, err := build.Root()
	if err != nil {
		return p, err
	}
	say("building dockit")
	if p.dockit, err = build.Dockit(ctx, folder); err != nil {
		return p, err
	}
	for _, kind := range registry.Kinds {
		say("looking for %s", kind)
		if err := p.findRegistry(ctx, folder, kind); err != nil {
			return p, err
		}
	}
	for _, c := range []struct {
		name  string
		build func(ctx context.Context, folder, pkg string) (string, error)
		pkg   string
	}{{"crane", build.Tool, build.Crane}, {"oras", build.Client, build.Oras}, {"helm", build.Client, build.Helm}} {
		if !wanted(c.name) {
			continue
		}
		say("building %s", c.name)
		if p.paths[c.name], err = c.build(ctx, folder, c.pkg); err != nil {
			return p, err
		}
		p.versions[c.name] = builtVersion(p.paths[c.name])
	}
	clients := filepath.Join(root, "bin", "clients")
	for _, name := range goClients {
		found, _ := filepath.Glob(filepath.Join(clients, name+"-v*")) // the pattern is a good one
		if len(found) == 0 {
			p.absent[name] = "not built: run scripts/get-interop-clients bin/clients"
			continue
		}
		p.paths[name] = found[len(found)-1]
		p.versions[name] = builtVersion(p.paths[name])
	}
	for _, name := range debianClients {
		path := filepath.Join(clients, name)
		if _, err := os.Stat(path); err != nil {
			p.absent[name] = "not there: run scripts/get-interop-clients bin/clients"
			continue
		}
		p.paths[name], p.versions[name] = path, toldVersion(ctx, path)
	}
	p.findDockerPy(ctx, filepath.Join(clients, "docker-py"))
	p.absent["zot"] = "the module proxy has no module of it"
	if os.Geteuid() != 0 {
		for _, name := range []string{"docker", "containerd", "ctr", "podman", "buildah", "kaniko", "nerdctl", "buildkitd", "docker-py"} {
			p.absent[name] = "runs as root only"
		}
	}
	if p.absent["dockerd"] != "" {
		for _, name := range []string{"docker", "ctr", "nerdctl", "docker-py"} {
			p.absent[name] = p.absent["dockerd"]
		}
	}
	p.versions["containerd-cri"], p.absent["containerd-cri"] = p.versions["containerd"], p.absent["containerd"]
	p.versions["buildkit"], p.absent["buildkit"] = p.versions["buildkitd"], cmp.Or(p.absent["buildkitd"], p.absent["buildctl"])
	for _, helper := range []*credentialHelper{withPass, withSecretService} {
		id := helper.client()
		p.versions[id] = p.versions["docker"] + " with " + helper.name + " " + p.versions[helper.name]
		p.absent[id] = cmp.Or(p.absent["docker"], p.absent[helper.name])
	}
	return p, nil
}

// findDockerPy looks for the library, where its packages are unpacked.
func (p *programs) findDockerPy(ctx context.Context, path string) {
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", "-c", "import docker; print(docker.__version__)")
	cmd.Env = []string{"PYTHONPATH=" + path, "PYTHONDONTWRITEBYTECODE=1"}
	out, err := cmd.Output()
	if err != nil {
		p.absent["docker-py"] = "not there: run scripts/get-interop-clients bin/clients"
		return
	}
	p.paths["docker-py"], p.versions["docker-py"] = path, strings.TrimSpace(string(out))
}

func (p *programs) findRegistry(ctx context.Context, folder string, kind registry.Kind) error {
	path, err := kind.Binary(ctx, folder)
	switch {
	case err == nil:
		p.registries[kind] = path
	case kind == registry.V2:
		p.absent[string(kind)] = err.Error()
		return nil
	default:
		return err
	}
	if kind == registry.V3 { // which says "unknown" when it is built from its module
		p.versions[string(kind)] = builtVersion(path)
	} else {
		p.versions[string(kind)] = toldVersion(ctx, path)
	}
	return nil
}

// interesting are the modules by whose version a program is known that is built from another module.
var interesting = []string{"helm.sh/helm/v4", "github.com/distribution/distribution/v3"}

// builtVersion is that of the module that a program was built from.
func builtVersion(path string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for _, dependency := range info.Deps {
		if slices.Contains(interesting, dependency.Path) {
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	return strings.TrimPrefix(info.Main.Version, "v")
}

var versionNumber = regexp.MustCompile(`[0-9]+\.[0-9]+(\.[0-9]+)?(~ds[0-9]+|\+ds[0-9]*)?`)

// toldVersion is what a program says when it is asked for its version.
func toldVersion(ctx context.Context, path string) string {
	ctx, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	option := "--version"
	if strings.HasPrefix(filepath.Base(path), "docker-credential-") {
		option = "version"
	}
	out, err := exec.CommandContext(ctx, path, option).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("unknown (%s)", err)
	}
	if found := versionNumber.FindString(string(out)); found != "" {
		return found
	}
	return strings.TrimSpace(string(out))
}

// clients are all that there are, also those that are absent here.
func (p programs) clients() []*client {
	all := []*client{
		craneClient(p.paths["crane"]), skopeoClient(p.paths["skopeo"]), dockerClient("docker", p.paths["docker"], nil), ctrClient(p.paths["ctr"]),
		podmanClient(p.paths["podman"], filepath.Dir(p.paths["podman"])), buildahClient(p.paths["buildah"]),
		orasClient(p.paths["oras"]), regctlClient(p.paths["regctl"]), helmClient(p.paths["helm"]),
		nerdctlClient(p.paths["nerdctl"]), buildkitClient(p.paths["buildctl"], p.paths["buildkitd"]), kanikoClient(p.paths["kaniko"]), dockerPyClient(p.paths["docker-py"]), criClient(p.paths["containerd"]),
		dockerClient(withPass.client(), p.paths["docker"], withPass), dockerClient(withSecretService.client(), p.paths["docker"], withSecretService),
	}
	for _, c := range all {
		c.version, c.absent = p.versions[c.id], p.absent[c.id]
	}
	return append(all, notHere...)
}

// notHere are clients that nothing here runs, and why.
var notHere = []*client{
	{id: "docker engine 29", absent: "no module pins it yet (moby v2.0.0-beta.24, CLI 28.2.2)"},
}
