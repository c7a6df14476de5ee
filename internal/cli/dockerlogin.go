package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"

	"github.com/dockit-registry/dockit/internal/printable"
)

// RegistryHost is what docker stores credentials under: a host, with its port
// if it has one. podman may have stored them for a namespace there, which then
// follows after a slash.
type RegistryHost string

// hostOf reads a registry as people write it: registry.example.com,
// localhost:5000, https://registry.example.com/ or registry.example.com/team.
func hostOf(registry string) (RegistryHost, error) {
	if !strings.Contains(registry, "://") {
		registry = "https://" + registry
	}
	u, err := url.Parse(registry)
	if err != nil || u.Host == "" || u.User != nil {
		return "", fmt.Errorf("registry URL %q: write registry.example.com or https://registry.example.com", printable.Clip(registry))
	}
	return RegistryHost(strings.TrimRight(u.Host+u.Path, "/")), nil
}

// Host is the registry without a namespace.
func (h RegistryHost) Host() RegistryHost {
	host, _, _ := strings.Cut(string(h), "/")
	return RegistryHost(host)
}

// keys are what the login may be stored under, the most special first.
func (h RegistryHost) keys() []string {
	keys := []string{string(h)}
	for at := strings.LastIndexByte(string(h), '/'); at > 0; at = strings.LastIndexByte(string(h[:at]), '/') {
		keys = append(keys, string(h[:at]))
	}
	return keys
}

// dockerLogin finds what `docker login` or `podman login` stored for a
// registry, in a file or by a credential helper: in the first place that has
// something. Without any, the password is empty. An identity token goes without
// a name.
func dockerLogin(_ context.Context, host RegistryHost) (username, pw string, err error) {
	var faults []error
	for _, path := range loginFiles() {
		found, err := storedIn(path, host)
		switch {
		case err != nil:
			// Another tool's broken helper is not in the way of a good login.
			faults = append(faults, fmt.Errorf("%s: %w", path, err))
		case found.IdentityToken != "":
			return "", found.IdentityToken, nil
		case found.Password != "":
			return found.Username, found.Password, nil
		}
	}
	if len(faults) > 0 {
		return "", "", fmt.Errorf("read what docker stored for %s: %w", host, errors.Join(faults...))
	}
	return "", "", nil
}

// loginFiles are where docker and podman store logins, in the order in which
// they are asked.
func loginFiles() []string {
	var files []string
	if file := os.Getenv("REGISTRY_AUTH_FILE"); file != "" {
		files = append(files, file)
	}
	home, err := os.UserHomeDir()
	homeless := err != nil
	if folder := os.Getenv("DOCKER_CONFIG"); folder != "" {
		files = append(files, filepath.Join(folder, config.ConfigFileName))
	} else if !homeless {
		files = append(files, filepath.Join(home, ".docker", config.ConfigFileName))
	}
	const name = "containers/auth.json"
	if folder := os.Getenv("XDG_RUNTIME_DIR"); folder != "" {
		files = append(files, filepath.Join(folder, name))
	} else if uid := os.Getuid(); uid >= 0 {
		files = append(files, filepath.Join("/run/containers", strconv.Itoa(uid), "auth.json"))
	}
	if folder := os.Getenv("XDG_CONFIG_HOME"); folder != "" {
		files = append(files, filepath.Join(folder, name))
	} else if !homeless {
		files = append(files, filepath.Join(home, ".config", name))
	}
	return files
}

// storedIn finds what one file has for a registry, which is nothing when the
// file does not exist.
func storedIn(path string, host RegistryHost) (types.AuthConfig, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return types.AuthConfig{}, nil
	}
	if err != nil {
		return types.AuthConfig{}, err
	}
	defer f.Close()
	logins, err := config.LoadFromReader(f)
	if err != nil {
		return types.AuthConfig{}, err
	}
	for _, key := range host.keys() {
		found, err := storedUnder(logins, key)
		if err != nil || found.Password != "" || found.IdentityToken != "" {
			return found, err
		}
	}
	return onlyNamespace(logins, host), nil
}

// storedUnder asks the credential helper for a key, or the file.
func storedUnder(logins *configfile.ConfigFile, key string) (types.AuthConfig, error) {
	if logins.CredentialHelpers[key] != "" || logins.CredentialsStore != "" {
		return logins.GetAuthConfig(key)
	}
	if found, ok := logins.AuthConfigs[key]; ok {
		return found, nil
	}
	for _, stored := range slices.Sorted(maps.Keys(logins.AuthConfigs)) {
		// docker also took addresses: https://registry.example.com/v1/.
		_, address, _ := strings.Cut(stored, "://")
		address = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(address, "/"), "/v1"), "/v2")
		if address == key {
			return logins.AuthConfigs[stored], nil
		}
	}
	return types.AuthConfig{}, nil
}

// onlyNamespace is the login for a namespace of a host that has no other: of
// several nobody can tell which is meant.
func onlyNamespace(logins *configfile.ConfigFile, host RegistryHost) types.AuthConfig {
	var found []types.AuthConfig
	for stored, login := range logins.AuthConfigs {
		if strings.HasPrefix(stored, string(host)+"/") {
			found = append(found, login)
		}
	}
	if len(found) != 1 {
		return types.AuthConfig{}
	}
	return found[0]
}
