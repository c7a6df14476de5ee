// Package build builds the programs that the end-to-end tests and the demo run: the Dockit binary from this
// repository, and the registry and the tools in the versions that go.mod pins.
package build

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const mainModule = "github.com/dockit-registry/dockit"

// Packages of the programs that are built with the versions of go.mod of this module.
const (
	// Registry is distribution's, without the drivers of clouds.
	Registry = "github.com/dockit-registry/dockit/e2e/registry"
	Crane    = "github.com/google/go-containerregistry/cmd/crane"
	XCaddy   = "github.com/caddyserver/xcaddy/cmd/xcaddy"
)

// Packages of the clients that clients/go.mod pins or holds.
const (
	Helm = "github.com/dockit-registry/dockit/e2e/clients/helm"
	Oras = "oras.land/oras/cmd/oras"
	// Conformance is the suite of the distribution specification.
	Conformance = "github.com/opencontainers/distribution-spec/conformance"
)

// Tags leave out of Caddy what Dockit does not need; xcaddy builds with the same.
const Tags = "nobadger,nomysql,nopgx"

// Root is the folder of Dockit's main module, found from the working directory upwards.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	start := dir
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module "+mainModule+"\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod of %s in %s or above: run this from a checkout", mainModule, start)
		}
		dir = parent
	}
}

// Dockit builds cmd/dockit as releases do and returns the path of the binary in folder.
func Dockit(ctx context.Context, folder string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return goBuild(ctx, root, filepath.Join(folder, "dockit"), "-tags", Tags, "-ldflags", "-s -w", "./cmd/dockit")
}

// TestClock builds cmd/dockit so that the file that DOCKIT_TEST_CLOCK names says by how much its clock is wrong, and returns
// the path of the binary in folder.
func TestClock(ctx context.Context, folder string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return goBuild(ctx, root, filepath.Join(folder, "dockit"), "-tags", Tags+",dockit_testclock", "./cmd/dockit")
}

// Tool builds one of the programs above and returns the path of the binary in folder.
func Tool(ctx context.Context, folder, pkg string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return goBuild(ctx, filepath.Join(root, "e2e"), filepath.Join(folder, filepath.Base(pkg)), pkg)
}

// Client builds one of the clients of the module in clients, which keeps their many dependencies apart from those of
// the registry, and returns the path of the binary in folder.
func Client(ctx context.Context, folder, pkg string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return goBuild(ctx, filepath.Join(root, "e2e", "clients"), filepath.Join(folder, filepath.Base(pkg)), pkg)
}

// KubeAPIServer builds the API server of Kubernetes that the module in kubernetes pins, which keeps its many dependencies apart, and
// returns the path of the binary in folder. The first time takes many minutes. DOCKIT_TEST_KUBE_APISERVER names one that is built already.
func KubeAPIServer(ctx context.Context, folder string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	if made := os.Getenv("DOCKIT_TEST_KUBE_APISERVER"); made != "" {
		return made, nil
	}
	return goBuild(ctx, filepath.Join(root, "e2e", "kubernetes"), filepath.Join(folder, "kube-apiserver"), "k8s.io/kubernetes/cmd/kube-apiserver")
}

// Pulls builds the program that asks for the credentials of pods by the kubelet's own package, beside that API server.
func Pulls(ctx context.Context, folder string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return goBuild(ctx, filepath.Join(root, "e2e", "kubernetes"), filepath.Join(folder, "pulls"), "./pulls")
}

// CredentialProvider builds the plugin of the kubelet.
func CredentialProvider(ctx context.Context, folder string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return goBuild(ctx, root, filepath.Join(folder, "dockit-credential-provider"), "./cmd/dockit-credential-provider")
}

// DockitKubernetes builds the program of the module in kubernetes.
func DockitKubernetes(ctx context.Context, folder string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return goBuild(ctx, filepath.Join(root, "kubernetes"), filepath.Join(folder, "dockit-kubernetes"), "./cmd/dockit-kubernetes")
}

// Render builds the program that writes the manifests of the chart and of the kustomization.
func Render(ctx context.Context, folder string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return goBuild(ctx, filepath.Join(root, "kubernetes"), filepath.Join(folder, "render"), "./charttest/render")
}

// goBuild builds without what debuggers need, which releases do not have either: it takes a tenth of the compiler's time.
// DOCKIT_TEST_GCFLAGS are other flags for the compiler, those of the demo.
func goBuild(ctx context.Context, dir, out string, args ...string) (string, error) {
	flags := os.Getenv("DOCKIT_TEST_GCFLAGS")
	if flags == "" {
		flags = "all=-dwarf=false"
	}
	args = append([]string{"build", "-trimpath", "-gcflags=" + flags, "-o", out}, args...)
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // arguments are constants and own paths
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, output.String())
	}
	return out, nil
}
