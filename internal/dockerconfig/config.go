package dockerconfig

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// maxConfig is how large a file with logins may be, in bytes.
const maxConfig = 8 << 20

// config is what a file says of logins.
type config struct {
	Auths map[string]entry `json:"auths"`
	// Store is the credential helper for every registry that Helpers does not
	// name, empty for the file.
	Store   string            `json:"credsStore"`
	Helpers map[string]string `json:"credHelpers"`
}

// entry is the login for one registry.
type entry struct {
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	Auth          string `json:"auth,omitempty"` // base64 of name:password, instead of both
	IdentityToken string `json:"identitytoken,omitempty"`
}

// read reads a file.
func read(path string) (*config, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return parse(content)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(content) > maxConfig {
		err = fmt.Errorf("it is larger than %d MiB", maxConfig>>20)
	}
	return content, err
}

// parse reads the first document of a file, as docker does. An empty one has no
// logins.
func parse(content []byte) (*config, error) {
	c := new(config)
	if err := json.NewDecoder(bytes.NewReader(content)).Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return c, nil
}

// helper is the credential helper of a registry, empty for the file.
func (c *config) helper(key string) helper {
	if name, ok := c.Helpers[helperKey(key)]; ok {
		return helper(name)
	}
	return helper(c.Store)
}

// find asks the credential helper for a key, or the file.
func (c *config) find(ctx context.Context, key string) (Login, error) {
	if h := c.helper(key); h != "" {
		return h.get(ctx, helperKey(key))
	}
	if found, ok := c.Auths[key]; ok {
		return found.login()
	}
	for _, stored := range slices.Sorted(maps.Keys(c.Auths)) {
		if hostOfAddress(stored) == key {
			return c.Auths[stored].login()
		}
	}
	return Login{}, nil
}

// onlyNamespace is the login for a namespace of a host that has no other: of
// several there is no telling which is meant.
func (c *config) onlyNamespace(host Host) (Login, error) {
	var found []entry
	for stored, login := range c.Auths {
		if strings.HasPrefix(stored, string(host)+"/") {
			found = append(found, login)
		}
	}
	if len(found) != 1 {
		return Login{}, nil
	}
	return found[0].login()
}

func (e entry) login() (Login, error) {
	if e.Auth != "" {
		decoded, err := base64.StdEncoding.DecodeString(e.Auth)
		name, password, ok := strings.Cut(string(decoded), ":")
		if err != nil || !ok || name == "" {
			return Login{}, errors.New("auth is not the base64 of name:password: log in again")
		}
		e.Username, e.Password = name, strings.Trim(password, "\x00")
	}
	if e.IdentityToken != "" {
		return Login{e.Username, e.IdentityToken, true}, nil
	}
	return Login{e.Username, e.Password, false}, nil
}

// entryOf is a login as docker writes it.
func entryOf(l Login) entry {
	if l.IdentityToken {
		return entry{Auth: basic(l.Username, ""), IdentityToken: l.Secret}
	}
	return entry{Auth: basic(l.Username, l.Secret)}
}

func basic(username, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(username + ":" + password))
}
