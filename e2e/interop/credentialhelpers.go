package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// credentialHelper keeps the logins of docker elsewhere than in its configuration.
type credentialHelper struct {
	// name is that of the program, and store what docker calls it.
	name, store string
	// prepare changes how docker is run in a home folder, so that the helper works there.
	prepare func(ctx context.Context, s *site, docker *program) error
}

// client is the name of docker with the helper.
func (h credentialHelper) client() string { return "docker-" + h.store }

// keepLogins has docker's logins kept by the helper, and checks that they are.
func (h credentialHelper) keepLogins(docker program, s *session) error {
	if _, err := docker.in("docker", "config.json"); err != nil {
		return err
	}
	if err := os.WriteFile(s.config, fmt.Appendf(nil, `{"credsStore":%q}`, h.store), 0o600); err != nil {
		return err
	}
	login := s.login
	s.login = func(ctx context.Context, host, username, password string) error {
		if err := login(ctx, host, username, password); err != nil {
			return err
		}
		content, err := os.ReadFile(s.config)
		if err == nil && bytes.Contains(content, []byte(`"auth"`)) {
			err = errors.New("the login is in the configuration, and not with the helper")
		}
		return err
	}
	s.storeToken = func(ctx context.Context, host, token string) error {
		// The name is the one under which docker gives helpers a refresh token.
		stored, err := json.Marshal(map[string]string{"ServerURL": host, "Username": "<token>", "Secret": token})
		if err != nil {
			return err
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(s.config), 0o700), os.WriteFile(s.config, fmt.Appendf(nil, `{"auths":{%q:{}},"credsStore":%q}`, host, h.store), 0o600)); err != nil {
			return err
		}
		helper := docker
		helper.path, helper.before = filepath.Join(filepath.Dir(docker.path), h.name), nil
		return helper.do(ctx, string(stored), "store")
	}
	return nil
}

// withPass keeps logins in files that are encrypted to a key of GnuPG.
var withPass = &credentialHelper{name: "docker-credential-pass", store: "pass", prepare: func(ctx context.Context, s *site, docker *program) error {
	keys, err := s.keys.get(ctx, s)
	if err != nil {
		return err
	}
	docker.env = append(docker.env, "GNUPGHOME="+keys, "PASSWORD_STORE_DIR="+filepath.Join(docker.home, "passwords"), besideIn("PATH", docker.path))
	pass := *docker
	pass.path, pass.before = filepath.Join(filepath.Dir(docker.path), "pass"), nil
	return pass.do(ctx, "", "init", keyOwner)
}}

// withSecretService keeps logins in the keyring of a desktop, of which each command gets a session of its own.
var withSecretService = &credentialHelper{
	name: "docker-credential-secretservice", store: "secretservice",
	prepare: func(_ context.Context, s *site, docker *program) error {
		// Sockets have short paths.
		run, err := os.MkdirTemp(s.programs.short, "")
		if err != nil {
			return err
		}
		docker.env = append(docker.env, "XDG_RUNTIME_DIR="+run, besideIn("PATH", docker.path), "LANG=C.UTF-8")
		docker.through = []string{
			"dbus-run-session", "--", "sh", "-c",
			`printf %s interop | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1 && exec "$@"`, "sh",
		}
		return nil
	},
}

// besideIn is a variable of folders that begins with that of a program.
func besideIn(variable, program string) string {
	return variable + "=" + filepath.Dir(program) + string(filepath.ListSeparator) + os.Getenv(variable)
}

// keyOwner is whom the key of GnuPG belongs to.
const keyOwner = "interop@example.com"

// lazyKeys is a folder with a key of GnuPG, which is made when somebody asks for it.
type lazyKeys struct {
	once   sync.Once
	folder string
	err    error
}

func (l *lazyKeys) get(ctx context.Context, s *site) (string, error) {
	l.once.Do(func() {
		if l.folder, l.err = os.MkdirTemp(s.programs.short, ""); l.err == nil { // for sockets, too
			l.err = l.gpg(ctx, "gpg", "--batch", "--passphrase", "", "--quick-generate-key", keyOwner, "future-default", "default", "never")
		}
	})
	return l.folder, l.err
}

func (l *lazyKeys) gpg(ctx context.Context, path string, args ...string) error {
	return program{path: path, home: l.folder, env: []string{"GNUPGHOME=" + l.folder}}.do(ctx, "", args...)
}

// stop ends the agent that GnuPG started.
func (l *lazyKeys) stop() error {
	if l.folder == "" {
		return nil
	}
	return l.gpg(context.Background(), "gpgconf", "--kill", "gpg-agent")
}
