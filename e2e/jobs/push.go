package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/issuer"
	"github.com/dockit-registry/dockit/e2e/internal/line"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

const (
	// tokenLife is how long the tokens of the issuer are good, and those for the registry: as short as can be.
	tokenLife = time.Minute
	// perSecond is what the line of a client carries to the registry, in bytes.
	perSecond = 16 << 10
	// layers is how many an image has at most; small ones have a second's worth each.
	maxLayers = 30
)

// longPushes has each client push an image over a line so slow that it takes longer than every token is good.
func longPushes(ctx context.Context, o options, folder string) (figures []figure, err error) {
	bin, err := subfolder(folder, "bin")
	if err != nil {
		return nil, err
	}
	if o.programs, err = o.programs.find(ctx, bin); err != nil {
		return nil, err
	}
	dir, err := subfolder(folder, "dockit")
	if err != nil {
		return nil, err
	}
	s, err := startSite(ctx, dockit.Config{Binary: o.programs.dockit, Dir: dir, Args: []string{"--token-ttl", tokenLife.String()}})
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return nil, err
	}
	r, err := s.startRegistry(ctx, o, folder)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Stop()) }()
	clients, stop, err := o.programs.clients(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()

	say("pushing for %s with %d clients at once", o.push, len(clients))
	pushes := make([]push, len(clients))
	var all sync.WaitGroup
	for i, c := range clients {
		all.Go(func() { pushes[i] = s.push(ctx, c, r.Host, o.push) })
	}
	all.Wait()
	failed := 0.0
	for i, p := range pushes {
		if p.err != nil {
			failed++
			say("%s: %s", clients[i].title, p.err)
		}
		figures = append(figures, told("push_seconds_"+clients[i].id, "push with "+clients[i].title+": seconds that it took", p.took.Seconds()))
	}
	counts, err := s.requests(ctx)
	if err != nil {
		return figures, err
	}
	say("requests for tokens: %v", counts)
	return append(figures,
		told("push_tokens", "tokens for the registry, in all of these", counts["issued"]),
		promised("push_failed", "pushes that failed", failed, 0, fmt.Sprint(errors.Join(errorsOf(pushes)...))),
		promised("push_refused", "requests for tokens that were refused", refused(counts), 0, fmt.Sprint(counts))), nil
}

func errorsOf(pushes []push) (all []error) {
	for _, p := range pushes {
		all = append(all, p.err)
	}
	return all
}

func (s *site) startRegistry(ctx context.Context, o options, folder string) (*registry.Registry, error) {
	dir, err := subfolder(folder, "registry")
	if err != nil {
		return nil, err
	}
	bundle := filepath.Join(dir, "bundle.pem")
	if _, err := s.Admin().Run(ctx, "init-container", bundle); err != nil {
		return nil, err
	}
	return registry.Start(ctx, registry.Config{
		Binary: o.programs.registry, Dir: dir, Realm: s.URL + "/v2/token", Service: service, RootCertBundle: bundle,
	})
}

// push is how one went.
type push struct {
	took time.Duration
	err  error
}

// push logs one client in with a token that ends long before the push does, and lets it push over a line of its own.
func (s *site) push(ctx context.Context, c client, host string, length time.Duration) (p push) {
	l, err := line.Start(ctx, host, perSecond)
	if err != nil {
		return push{err: err}
	}
	defer func() { p.err = errors.Join(p.err, l.Close()) }()
	token, err := s.issuer.Sign(issuer.Token{Audience: service, Life: tokenLife})
	if err != nil {
		return push{err: err}
	}
	ref := l.Host + "/" + repository + "/" + c.id + ":latest"
	file := filepath.Join(c.home, "image.tar")
	if err := writeImage(file, ref, int64(length.Seconds()*perSecond)); err != nil {
		return push{err: err}
	}
	if err := c.login(ctx, l.Host, token); err != nil {
		return push{err: fmt.Errorf("log in with %s: %w", c.title, err)}
	}
	if err := c.load(ctx, file); err != nil {
		return push{err: fmt.Errorf("load an image with %s: %w", c.title, err)}
	}
	began := time.Now()
	if err := c.push(ctx, file, ref); err != nil {
		p.err = fmt.Errorf("push with %s: %w", c.title, err)
	}
	p.took = time.Since(began)
	return p
}

// writeImage writes an image of a size as docker save writes it.
func writeImage(file, ref string, size int64) error {
	layers := min(maxLayers, max(1, size/perSecond))
	image, err := random.Image(size/layers, layers)
	if err != nil {
		return err
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), tarball.WriteToFile(file, tag, image))
}
