// Package registry runs real CNCF distribution registries that trust Dockit's tokens.
package registry

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
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
}

// Registry is a running registry.
type Registry struct {
	*process.Process

	// Host is its address as image references name it, such as localhost:15000.
	Host string

	config Config
}

// Start runs a registry and waits until it answers that it wants a token.
func Start(ctx context.Context, c Config) (*Registry, error) {
	if c.RootCertBundle == "" && c.JWKS == "" {
		return nil, ErrNoTrust
	}
	if c.Port == 0 {
		p, err := port.Free(ctx)
		if err != nil {
			return nil, err
		}
		c.Port = p
	}
	if c.Issuer == "" {
		c.Issuer = "dockit"
	}
	file := filepath.Join(c.Dir, "config.yml")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return nil, err
	}
	r := &Registry{Host: port.Localhost(c.Port), config: c}
	p, err := process.Start(process.Command{
		Name: filepath.Base(c.Binary) + " at " + r.Host,
		Path: c.Binary,
		Args: []string{"serve", file},
		Env:  append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.Dir}, r.Environment()...),
		Dir:  c.Dir,
	})
	if err != nil {
		return nil, err
	}
	r.Process = p
	if err := p.WaitReady(ctx, http.DefaultClient, "http://"+r.Host+"/v2/", http.StatusUnauthorized); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return r, nil
}

// Environment is the registry's configuration as environment variables.
func (r *Registry) Environment() []string {
	env := []string{
		"REGISTRY_HTTP_ADDR=" + r.Host,
		"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=" + filepath.Join(r.config.Dir, "storage"),
		"REGISTRY_AUTH=token",
		"REGISTRY_AUTH_TOKEN_REALM=" + r.config.Realm,
		"REGISTRY_AUTH_TOKEN_SERVICE=" + r.config.Service,
		"REGISTRY_AUTH_TOKEN_ISSUER=" + r.config.Issuer,
		// Version 3 would send traces to a collector on this machine.
		"OTEL_TRACES_EXPORTER=none",
	}
	if r.config.RootCertBundle != "" {
		env = append(env, "REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE="+r.config.RootCertBundle)
	}
	if r.config.JWKS != "" {
		env = append(env, "REGISTRY_AUTH_TOKEN_JWKS="+r.config.JWKS)
	}
	return env
}

// String names the registry in messages.
func (r *Registry) String() string {
	return fmt.Sprintf("registry at %s (service %s)", r.Host, r.config.Service)
}
