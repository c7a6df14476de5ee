package dockerconfig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Login is what is stored for a registry.
type Login struct {
	Username string
	// Secret is a password, or what is good as one; or an identity token.
	Secret string
	// IdentityToken says that Secret is an identity token, which docker sends
	// without a name.
	IdentityToken bool
}

// Find finds what `docker login` or `podman login` stored for a registry, in a
// file or by a credential helper: in the first place that has something. Without
// any, the login is empty. An identity token has no name.
func Find(ctx context.Context, host Host) (Login, error) {
	var faults []error
	for _, p := range places() {
		found, err := p.find(ctx, host)
		switch {
		case err != nil:
			// Another tool's broken helper is not in the way of a good login.
			faults = append(faults, fmt.Errorf("%s: %w", p.name, err))
		case found.Secret != "":
			if found.IdentityToken {
				found.Username = ""
			}
			return found, nil
		}
	}
	if len(faults) > 0 {
		return Login{}, fmt.Errorf("read what docker stored for %s: %w", host, errors.Join(faults...))
	}
	return Login{}, nil
}

const (
	// configFile is docker's in its folder.
	configFile = "config.json"
	// authVariable holds logins for docker in the form of that file.
	authVariable = "DOCKER_AUTH_CONFIG"
)

// place is where logins are stored: a file, or a variable.
type place struct {
	name     string
	variable bool
}

// places are where docker and podman look for logins, in the order in which they
// are asked.
func places() []place {
	var all []place
	file := func(parts ...string) { all = append(all, place{name: filepath.Join(parts...)}) }
	if path := os.Getenv("REGISTRY_AUTH_FILE"); path != "" {
		file(path)
	}
	if os.Getenv(authVariable) != "" {
		all = append(all, place{authVariable, true})
	}
	if path, err := dockerFile(); err == nil {
		file(path)
	}
	const podman = "containers/auth.json"
	if folder := os.Getenv("XDG_RUNTIME_DIR"); folder != "" {
		file(folder, podman)
	} else if uid := os.Getuid(); uid >= 0 {
		file("/run/containers", strconv.Itoa(uid), "auth.json")
	}
	if folder := os.Getenv("XDG_CONFIG_HOME"); folder != "" {
		file(folder, podman)
	} else if home, err := os.UserHomeDir(); err == nil {
		file(home, ".config", podman)
	}
	return all
}

// dockerFile is where docker stores logins.
func dockerFile() (string, error) {
	if folder := os.Getenv("DOCKER_CONFIG"); folder != "" {
		return filepath.Join(folder, configFile), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find docker's folder: %w: set DOCKER_CONFIG", err)
	}
	return filepath.Join(home, ".docker", configFile), nil
}

// find finds what one place has for a registry, which is nothing when it does not
// exist.
func (p place) find(ctx context.Context, host Host) (Login, error) {
	c, err := p.read()
	if err != nil {
		return Login{}, err
	}
	for _, key := range host.keys() {
		found, err := c.find(ctx, key)
		if err != nil || found.Secret != "" {
			return found, err
		}
	}
	return c.onlyNamespace(host)
}

func (p place) read() (*config, error) {
	if p.variable {
		c, err := parse([]byte(os.Getenv(p.name)))
		if err != nil {
			return nil, err
		}
		c.Store, c.Helpers = "", nil // docker takes none from there
		return c, nil
	}
	c, err := read(p.name)
	if errors.Is(err, fs.ErrNotExist) {
		return new(config), nil
	}
	return c, err
}
