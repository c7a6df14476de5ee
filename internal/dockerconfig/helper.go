package dockerconfig

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
)

// helperPrefix begins the name of every credential helper's program.
const helperPrefix = "docker-credential-"

// tokenUsername stands for the name that an identity token goes without.
const tokenUsername = "<token>"

// helper is a credential helper: the program docker-credential-NAME on the PATH,
// which keeps logins in a keychain.
type helper string

// program is what the helper is run as. What it writes to standard error is for
// the user: it may ask for something.
func (h helper) program(ctx context.Context) client.ProgramFunc {
	return func(args ...string) client.Program {
		cmd := exec.CommandContext(ctx, helperPrefix+string(h), args...) //nolint:gosec // the user names it
		cmd.Stderr = os.Stderr
		return program{cmd}
	}
}

// program implements [client.Program].
type program struct{ *exec.Cmd }

// Input sets what the program reads.
func (p program) Input(in io.Reader) { p.Stdin = in }

// get is what the helper has for a registry, which may be nothing.
func (h helper) get(ctx context.Context, key string) (Login, error) {
	if err := h.checkName(); err != nil {
		return Login{}, err
	}
	found, err := client.Get(h.program(ctx), key)
	switch {
	case credentials.IsErrCredentialsNotFound(err):
		return Login{}, nil
	case err != nil:
		return Login{}, h.failed(err)
	case found.Username == tokenUsername:
		return Login{Secret: found.Secret, IdentityToken: true}, nil
	default:
		return Login{Username: found.Username, Secret: found.Secret}, nil
	}
}

// store keeps a login in the place of any that was there.
func (h helper) store(ctx context.Context, key string, l Login) error {
	if err := h.checkName(); err != nil {
		return err
	}
	if l.IdentityToken {
		l.Username = tokenUsername
	}
	err := client.Store(h.program(ctx), &credentials.Credentials{ServerURL: key, Username: l.Username, Secret: l.Secret})
	if err != nil {
		return h.failed(err)
	}
	return nil
}

// erase removes a login that is there.
func (h helper) erase(ctx context.Context, key string) error {
	if err := h.checkName(); err != nil {
		return err
	}
	if err := client.Erase(h.program(ctx), key); err != nil {
		return h.failed(err)
	}
	return nil
}

// checkName refuses what is a path rather than the name of a helper: a program in whatever folder one is in would be run.
func (h helper) checkName() error {
	if strings.ContainsAny(string(h), `/\`) {
		return fmt.Errorf("credential helper %q: the name of a helper holds no slash: mend credsStore or credHelpers", string(h))
	}
	return nil
}

func (h helper) failed(err error) error { return fmt.Errorf("credential helper %s: %w", h, err) }

// helperKey is what helpers know a registry by: its host, but for Docker Hub.
func helperKey(key string) string {
	if key == "docker.io" || key == "index.docker.io" {
		return "https://index.docker.io/v1/"
	}
	return key
}

// platformHelper is the helper that docker takes where nothing says otherwise:
// the platform's, if it is there.
func platformHelper() helper {
	var h helper
	switch runtime.GOOS {
	case "darwin":
		h = "osxkeychain"
	case "windows":
		h = "wincred"
	case "linux":
		h = "secretservice"
		if _, err := exec.LookPath("pass"); err == nil {
			h = "pass"
		}
	default:
		return ""
	}
	if _, err := exec.LookPath(helperPrefix + string(h)); err != nil {
		return ""
	}
	return h
}
