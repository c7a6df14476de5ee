package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/line"
)

func tags(ctx context.Context, t *trial) error {
	repository := t.repository()
	s, err := t.publish(ctx, repository)
	if err != nil {
		return err
	}
	if s.tags == nil {
		return t.missing(canTags)
	}
	out, err := s.tags(ctx, t.site.host+"/"+repository)
	if err == nil && !strings.Contains(out, s.tagged()) {
		err = fmt.Errorf("%s is not in the list: %s", s.tagged(), out)
	}
	return err
}

func index(ctx context.Context, t *trial) error {
	repository := t.repository()
	owner, err := t.robot(ctx, "owner", "repository:"+repository+":push")
	if err != nil {
		return err
	}
	s, err := t.enter(ctx, owner)
	if err != nil {
		return err
	}
	if s.pushIndex == nil {
		return t.missing(canIndex)
	}
	if err := s.pushIndex(ctx, t.origin(repository)); err != nil {
		return fmt.Errorf("push: %w", err)
	}
	if _, err := t.digest(ctx, repository, s); err != nil {
		return err
	}
	// Those who have no way to pull all of it pull what is for this machine.
	if s.pullIndex == nil {
		return s.pull(ctx, t.ref(repository))
	}
	return s.pullIndex(ctx, t.ref(repository))
}

func artifact(ctx context.Context, t *trial) error {
	repository := t.repository()
	owner, err := t.robot(ctx, "owner", "repository:"+repository+":push")
	if err != nil {
		return err
	}
	s, err := t.enter(ctx, owner)
	if err != nil {
		return err
	}
	if s.pushArtifact == nil {
		return t.missing(canArtifact)
	}
	if err := s.pushArtifact(ctx, t.origin(repository)); err != nil {
		return fmt.Errorf("push: %w", err)
	}
	return s.pullArtifact(ctx, t.ref(repository))
}

func referrers(ctx context.Context, t *trial) error {
	repository := t.repository()
	s, err := t.publish(ctx, repository)
	if err != nil {
		return err
	}
	if s.attach == nil {
		return t.missing(canReferrers)
	}
	if err := s.attach(ctx, t.origin(repository)); err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	out, err := s.referrers(ctx, t.ref(repository))
	if err == nil && !strings.Contains(out, artifactType) {
		err = fmt.Errorf("what was attached is not in the list: %s", out)
	}
	return err
}

// signature pushes beside an image what is tagged by the digest of that.
func signature(ctx context.Context, t *trial) error {
	repository := t.repository()
	s, err := t.publish(ctx, repository)
	if err != nil {
		return err
	}
	if s.tag != "" {
		return &missingError{"tags by the version of the chart"}
	}
	digest, err := t.digest(ctx, repository, s)
	if err != nil {
		return err
	}
	signature := t.site.origin + "/" + repository + ":" + strings.Replace(digest, ":", "-", 1) + ".sig"
	if err := s.push(ctx, signature, small); err != nil {
		return fmt.Errorf("push: %w", err)
	}
	return s.pull(ctx, signature)
}

// buildCache has one builder leave at a registry what another needs not build again.
func buildCache(ctx context.Context, t *trial) error {
	cache := t.repository("cache")
	owner, err := t.robot(ctx, "owner", "repository:"+t.repository()+":push", "repository:"+cache+":push")
	if err != nil {
		return err
	}
	s, err := t.enter(ctx, owner)
	if err != nil {
		return err
	}
	if s.exportCache == nil {
		return t.missing(canCache)
	}
	if err := s.exportCache(ctx, t.origin(cache)); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return s.importCache(ctx, t.origin(cache))
}

// tokenLife is how long tokens for the registry are good: as short as can be.
const tokenLife = time.Minute

// leeway is for how long a registry takes a token that has ended.
const leeway = time.Minute

// longPush pushes over a line so slow that the token ends while the first layer is on its way.
func longPush(ctx context.Context, t *trial) (err error) {
	const (
		perSecond = 16 << 10
		length    = tokenLife + leeway + 20*time.Second
	)
	slow, err := line.Start(ctx, t.site.origin, perSecond)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, slow.Close()) }()
	repository := t.repository()
	owner, err := t.robot(ctx, "owner", "repository:"+repository+":push")
	if err != nil {
		return err
	}
	over := *t.site
	over.host, over.origin = slow.Host, slow.Host
	atLine := *t
	atLine.site = &over
	s, err := atLine.enter(ctx, owner)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := s.push(ctx, slow.Host+"/"+repository+":"+latest, int64(length.Seconds())*perSecond); err != nil {
		return err
	}
	if took := time.Since(began); took < tokenLife+leeway {
		return fmt.Errorf("the push took %s, which is no longer than the token", took.Round(time.Second))
	}
	_, err = t.digest(ctx, repository, s)
	return err
}
