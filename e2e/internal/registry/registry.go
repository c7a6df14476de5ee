// Package registry runs real CNCF distribution registries that trust Dockit's tokens.
package registry

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"os"
	"path/filepath"

	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/process"
)

// config holds what has nothing to do with Dockit. The token settings come from environment variables, as in
// the documentation for users.
//
//go:embed config.yml
var config []byte

// ErrNoTrust is returned for a Config that names neither a certificate bundle nor a key set.
var ErrNoTrust = errors.New("a registry needs a certificate bundle or a JWK set to check tokens with")

// Config says which registry to run and whom it trusts.
type Config struct {
	// Binary is the registry's program.
	Binary string

	// Port is where it listens on localhost. Default: a free one.
	Port int

	// Dir is an empty folder for the registry's files.
	Dir string

	// Realm is the URL of Dockit's token endpoint as clients reach it.
	Realm string

	// Service is the name that tokens are issued for.
	Service string

	// Issuer is the name that signs. Default: dockit.
	Issuer string

	// RootCertBundle is the file that `dockit init-container` wrote.
	RootCertBundle string

	// JWKS is a file with a JWK set, instead of or beside the bundle. Version 2.8 knows none.
	JWKS string

	// Open is a registry that asks for no token. What else is here about tokens does not count then.
	Open bool

	// Extra are further variables, as NAME=value.
	Extra []string
}

// Prepare fills in what c leaves out and writes the configuration file, whose path it returns.
func (c *Config) Prepare(ctx context.Context) (string, error) {
	if c.RootCertBundle == "" && c.JWKS == "" && !c.Open {
		return "", ErrNoTrust
	}
	if c.Port == 0 {
		p, err := port.Free(ctx)
		if err != nil {
			return "", err
		}
		c.Port = p
	}
	if c.Issuer == "" {
		c.Issuer = "dockit"
	}
	file := filepath.Join(c.Dir, "registry.yml")
	return file, os.WriteFile(file, config, 0o600)
}

// Host is the registry's address as image references name it.
func (c *Config) Host() string {
	return port.Localhost(c.Port)
}

// Environment is the registry's configuration as environment variables, once it is prepared.
func (c *Config) Environment() []string {
	env := []string{"REGISTRY_HTTP_ADDR=" + c.Host()}
	if !c.Open {
		env = append(env,
			"REGISTRY_AUTH=token",
			"REGISTRY_AUTH_TOKEN_REALM="+c.Realm,
			"REGISTRY_AUTH_TOKEN_SERVICE="+c.Service,
			"REGISTRY_AUTH_TOKEN_ISSUER="+c.Issuer,
		)
	}
	if c.RootCertBundle != "" {
		env = append(env, "REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE="+c.RootCertBundle)
	}
	if c.JWKS != "" {
		env = append(env, "REGISTRY_AUTH_TOKEN_JWKS="+c.JWKS)
	}
	// Version 3 would send traces to a collector on this machine.
	env = append(env, c.Extra...)
	return append(env, "OTEL_TRACES_EXPORTER=none")
}

// Registry is a running registry.
type Registry struct {
	*process.Process

	// Host is its address as image references name it, such as localhost:15000.
	Host string

	// open is set when it asks for no token.
	open bool
}

// Start runs a registry and waits until it answers.
func Start(ctx context.Context, c Config) (*Registry, error) {
	file, err := c.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	p, err := process.Start(process.Command{
		Name: filepath.Base(c.Binary) + " at " + c.Host(),
		Path: c.Binary,
		Args: []string{"serve", file},
		Env:  append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.Dir}, c.Environment()...),
		Dir:  c.Dir,
	})
	if err != nil {
		return nil, err
	}
	r := &Registry{Process: p, Host: c.Host(), open: c.Open}
	if err := r.WaitReady(ctx); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return r, nil
}

// WaitReady waits until the registry answers, that it wants a token unless it is open.
func (r *Registry) WaitReady(ctx context.Context) error {
	status := http.StatusUnauthorized
	if r.open {
		status = http.StatusOK
	}
	return r.Process.WaitReady(ctx, http.DefaultClient, "http://"+r.Host+"/v2/", status)
}
