package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Stages of Dockit's Dockerfile that are images.
const (
	Dockit     = "FROM scratch"
	Kubernetes = "FROM scratch AS kubernetes"
)

// Stage writes into a folder what a stage of Dockit's Dockerfile is built from: the stage, word by word, and in place of the one
// before, whose base nothing can pull here, what that makes: the program, an empty folder, and a file of authorities.
func Stage(dockerfile, stage, program, folder string) error {
	content, err := os.ReadFile(dockerfile)
	if err != nil {
		return err
	}
	_, text, found := strings.Cut(string(content), "\n"+stage+"\n")
	if !found {
		return fmt.Errorf("%s has no stage %q", dockerfile, stage)
	}
	text, _, _ = strings.Cut(text, "\nFROM ")
	name := "dockit"
	if stage == Kubernetes {
		name = "dockit-kubernetes"
	}
	for _, made := range []string{"out/data", "etc/ssl/certs"} {
		if err := os.MkdirAll(filepath.Join(folder, made), 0o755); err != nil { //nolint:gosec // as in the image
			return err
		}
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "out", name), binary, 0o755),                                                               //nolint:gosec // as in the image
		os.WriteFile(filepath.Join(folder, "etc", "ssl", "certs", "ca-certificates.crt"), nil, 0o644),                                 //nolint:gosec // as in the image
		os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte("FROM scratch\n"+madeBefore.ReplaceAllString(text, "COPY ")), 0o600), //nolint:gosec // the folder is the own one
	)
}

var madeBefore = regexp.MustCompile(`COPY --from=build(-kubernetes)? `)

// DockerOutput runs the docker command, and returns what it printed. It builds by BuildKit: the builder before that makes no image
// from scratch for another architecture.
func (e *Engine) DockerOutput(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, e.docker, append([]string{"-H", e.socket}, args...)...) //nolint:gosec // what the tests got
	command.Env = append(os.Environ(), "DOCKER_BUILDKIT=1", "HOME="+e.dir)
	out, err := command.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
