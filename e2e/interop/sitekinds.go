package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/process"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// siteKinds are the ways in which Dockit and a registry are run.
func siteKinds(p programs) []*siteKind {
	var all []*siteKind
	for _, kind := range registry.Kinds {
		name := distribution(kind)
		version := func(p programs) string { return p.versions[string(kind)] }
		for _, k := range []*siteKind{
			{id: string(kind), title: name + ", Dockit beside it", patient: true, start: beside(kind)},
			{id: string(kind) + "-one-host", title: name + " behind `api-server --domain --upstream`, automatic HTTPS", https: true, patient: kind == registry.V3, start: oneHost(kind)},
			{id: string(kind) + "-proxied", title: name + " and Dockit behind another proxy", start: proxied(kind)},
			{id: string(kind) + "-cache", title: name + " as a pull-through cache of a protected one", cache: true, start: cached(kind)},
		} {
			k.version = version
			if p.registries[kind] == "" {
				k.absent = p.absent[string(kind)]
			}
			all = append(all, k)
		}
	}
	return append(all, &siteKind{
		id: "zot", title: "zot, Dockit beside it", start: besideZot, absent: p.absent["zot"], version: func(p programs) string { return p.versions["zot"] },
	})
}

func distribution(kind registry.Kind) string {
	if kind == registry.V2 {
		return "distribution 2.8"
	}
	return "distribution 3"
}

// beside has both on addresses of their own.
func beside(kind registry.Kind) func(context.Context, *site) error {
	return func(ctx context.Context, s *site) error {
		if err := s.startDockit(ctx, dockit.Config{}); err != nil {
			return err
		}
		r, err := s.startRegistry(ctx, kind, mainRegistry, registry.Config{})
		if err != nil {
			return err
		}
		s.host = r.Host
		return nil
	}
}

// oneHost has Dockit serve the registry on its own host.
func oneHost(kind registry.Kind) func(context.Context, *site) error {
	return func(ctx context.Context, s *site) error { return s.startOneHost(ctx, kind) }
}

func (s *site) startOneHost(ctx context.Context, kind registry.Kind, args ...string) error {
	host, p, err := freeHost(ctx)
	if err != nil {
		return err
	}
	if err := s.startDockit(ctx, dockit.Config{HTTPS: s.https(), Args: append(args, "--upstream", host)}); err != nil {
		return err
	}
	s.host = s.dockit.Host
	_, err = s.startRegistry(ctx, kind, mainRegistry, registry.Config{Port: p})
	return err
}

// proxied has both behind one proxy, as docs/guides/behind-another-proxy.md says for Caddy.
func proxied(kind registry.Kind) func(context.Context, *site) error {
	return func(ctx context.Context, s *site) error {
		front, frontPort, err := freeHost(ctx)
		if err != nil {
			return err
		}
		if err := s.startDockit(ctx, dockit.Config{Args: []string{"--trusted-proxies", "private_ranges"}}); err != nil {
			return err
		}
		r, err := s.startRegistry(ctx, kind, mainRegistry, registry.Config{Realm: "http://" + front + "/v2/token"})
		if err != nil {
			return err
		}
		s.host = front
		return s.startProxy(ctx, frontPort, r.Host)
	}
}

// startProxy starts a Caddy without Dockit in front of both.
func (s *site) startProxy(ctx context.Context, port int, registryHost string) error {
	dir, err := s.subfolder("proxy")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "Caddyfile")
	content := fmt.Sprintf(`{
	admin off
	auto_https off
}
http://localhost:%d {
	@dockit path /v2/token /v2/token/* /v2/certs/*
	reverse_proxy @dockit %s
	reverse_proxy %s
}
`, port, s.dockit.Host, registryHost)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		return err
	}
	p, err := process.Start(process.Command{
		Name: "the proxy in front", Path: s.programs.dockit, Args: []string{"run", "--config", file}, Env: dockit.Environment(dir), Dir: dir,
	})
	if err != nil {
		return err
	}
	s.running = append(s.running, p)
	return p.WaitReady(ctx, http.DefaultClient, "http://"+s.host+"/v2/", http.StatusUnauthorized)
}

// cacheService is what the cache is called in tokens.
const cacheService = "cache.test"

// cached has a registry that fetches what it is asked for from one that Dockit protects, and is protected itself.
func cached(kind registry.Kind) func(context.Context, *site) error {
	return func(ctx context.Context, s *site) error {
		if err := s.startOneHost(ctx, registry.V3, "--service", cacheService); err != nil {
			return err
		}
		robot := person{name: "cache", robot: true}
		if err := s.add(ctx, &robot, "repository:**:pull"); err != nil {
			return err
		}
		r, err := s.startRegistry(ctx, kind, "cache", registry.Config{Service: cacheService, Extra: []string{
			"REGISTRY_PROXY_REMOTEURL=" + s.dockit.URL, "REGISTRY_PROXY_USERNAME=" + robot.name, "REGISTRY_PROXY_PASSWORD=" + robot.password,
		}})
		if err != nil {
			return err
		}
		s.origin, s.host = s.host, r.Host
		return nil
	}
}

// besideZot has zot on an address of its own.
func besideZot(context.Context, *site) error { return errors.New("zot is not run here") }
