package engine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// LastStage writes into a folder what the last stage of Dockit's Dockerfile is built from: the stage, word by word, and in place of
// the first one, whose base nothing can pull here, what that makes: the program, an empty folder, and a file of authorities.
func LastStage(dockerfile, program, folder string) error {
	content, err := os.ReadFile(dockerfile)
	if err != nil {
		return err
	}
	_, last, found := strings.Cut(string(content), "\nFROM scratch\n")
	if !found {
		return errors.New(dockerfile + " has no stage from scratch")
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
		os.WriteFile(filepath.Join(folder, "out", "dockit"), binary, 0o755),                                                              //nolint:gosec // as in the image
		os.WriteFile(filepath.Join(folder, "etc", "ssl", "certs", "ca-certificates.crt"), nil, 0o644),                                    //nolint:gosec // as in the image
		os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte("FROM scratch\n"+strings.ReplaceAll(last, "--from=build ", "")), 0o600), //nolint:gosec // the folder is the own one
	)
}

// DockerOutput runs the docker command, and returns what it printed. It builds by BuildKit: the builder before that makes no image
// from scratch for another architecture.
func (e *Engine) DockerOutput(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, e.docker, append([]string{"-H", e.socket}, args...)...) //nolint:gosec // what the tests got
	command.Env = append(os.Environ(), "DOCKER_BUILDKIT=1", "HOME="+e.dir)
	out, err := command.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
