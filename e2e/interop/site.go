package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/issuer"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/process"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

const (
	service      = "registry.test"
	rootUser     = "admin"
	rootPassword = "correct horse battery staple"
	api          = "/dockit/api/v1"
)

// site is a registry with the Dockit that protects it, as users find them.
type site struct {
	kind     *siteKind
	programs programs
	folder   string

	dockit *dockit.Server
	admin  call.Caller
	issuer *issuer.Issuer
	// host is what users pull from, as image references name it, and origin what they push to: the same but for a cache.
	host, origin string
	// registry is the one that keeps what is pushed.
	registry     *process.Process
	registryHost string
	// unknownHost is that of a registry whose service Dockit does not know, where there is one.
	unknownHost string
	// running are processes beside Dockit, in the order in which they were started.
	running []*process.Process

	engine     *lazyEngine
	keys       *lazyKeys
	buildkits  *lazyBuildkits
	containerd *lazyContainerd
	// recorder is between clients and Dockit, where there is one.
	recorder *recorder
}

// siteKind is a way to run a registry behind Dockit.
type siteKind struct {
	id, title string
	// https is a host with a certificate of Caddy's internal issuer.
	https bool
	// cache is one that nobody pushes to.
	cache bool
	// start starts registries and Dockit.
	start func(ctx context.Context, s *site) error
	// patient is one at which operations are tried that take minutes.
	patient bool
	// absent is why it is not run.
	absent string
	// version is that of the registry.
	version func(p programs) string
}

// startSite starts one. Stop it, also after an error.
func startSite(ctx context.Context, kind *siteKind, p programs, folder string) (*site, error) {
	s := &site{kind: kind, programs: p, folder: folder, engine: &lazyEngine{}, keys: &lazyKeys{}, buildkits: &lazyBuildkits{}, containerd: &lazyContainerd{}}
	var err error
	if s.issuer, err = issuer.Start(ctx); err != nil {
		return s, err
	}
	if err := kind.start(ctx, s); err != nil {
		return s, err
	}
	if s.origin == "" {
		s.origin = s.host
	}
	return s, s.send(ctx, http.MethodPost, "/issuers", map[string]any{"name": "gitlab", "url": s.issuer.URL, "kind": "gitlab"}, nil)
}

func (s *site) stop() error {
	all := errors.Join(s.engine.stop(), s.keys.stop(), s.buildkits.stop(), s.containerd.stop())
	for _, p := range slices.Backward(s.running) {
		all = errors.Join(all, p.Stop())
	}
	if s.recorder != nil {
		all = errors.Join(all, s.recorder.Close())
	}
	if s.dockit != nil {
		all = errors.Join(all, s.dockit.Stop())
	}
	if s.issuer != nil {
		all = errors.Join(all, s.issuer.Close())
	}
	return all
}

func (s *site) https() bool { return s.kind.https }

// hosts are those that clients speak to.
func (s *site) hosts() []string {
	if s.host == s.origin {
		return []string{s.host}
	}
	return []string{s.host, s.origin}
}

// trust are the variables that have a program trust the site as it would a public one.
func (s *site) trust() []string {
	if !s.https() {
		return nil
	}
	return []string{"SSL_CERT_FILE=" + s.dockit.RootCA()}
}

// startDockit starts one, with further arguments of api-server.
func (s *site) startDockit(ctx context.Context, c dockit.Config) (err error) {
	c.Binary, c.RootUser, c.RootPassword = s.programs.dockit, rootUser, rootPassword
	if c.Dir, err = s.subfolder("dockit"); err != nil {
		return err
	}
	c.Args = append(c.Args, "--service", service, "--token-ttl", tokenLife.String())
	if s.dockit, err = dockit.Start(ctx, c); err != nil {
		return err
	}
	s.admin = call.Caller{Base: s.dockit.URL, Username: rootUser, Password: rootPassword, HTTP: s.dockit.HTTPClient()}
	return nil
}

// bundle is a new file with what registries must trust.
func (s *site) bundle(ctx context.Context) (string, error) {
	file := filepath.Join(s.folder, "bundle.pem")
	_, err := s.dockit.Admin().Run(ctx, "init-container", file)
	return file, err
}

// mainRegistry is the one that keeps what is pushed.
const mainRegistry = "registry"

// startRegistry starts a registry of a kind that trusts this Dockit.
func (s *site) startRegistry(ctx context.Context, kind registry.Kind, name string, c registry.Config) (r *registry.Registry, err error) {
	c.Binary = s.programs.registries[kind]
	if c.Dir, err = s.subfolder(name); err != nil {
		return nil, err
	}
	if c.RootCertBundle, err = s.bundle(ctx); err != nil {
		return nil, err
	}
	if c.Service == "" {
		c.Service = service
	}
	if c.Realm == "" {
		c.Realm = s.dockit.URL + "/v2/token"
	}
	if r, err = registry.Start(ctx, c); err != nil {
		return nil, err
	}
	s.running = append(s.running, r.Process)
	if name == mainRegistry {
		s.registry, s.registryHost = r.Process, r.Host
	}
	return r, nil
}

func (s *site) subfolder(name string) (string, error) {
	dir := filepath.Join(s.folder, name)
	return dir, os.MkdirAll(dir, 0o700)
}

// send makes a request to the admin API that must succeed.
func (s *site) send(ctx context.Context, method, path string, body, into any) error {
	a, err := s.admin.Send(ctx, method, api+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if !a.OK() {
		return fmt.Errorf("%s %s: %s", method, path, a)
	}
	return a.Decode(into)
}

// freeHost is an address on this machine that nobody listens on.
func freeHost(ctx context.Context) (string, int, error) {
	p, err := port.Free(ctx)
	return port.Localhost(p), p, err
}
