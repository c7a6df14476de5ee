package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// trial is one client that tries one operation at one site.
type trial struct {
	site   *site
	client *client
	// id is part of every name that the trial makes up.
	id      string
	folder  string
	entered int
}

// missingError says why there is nothing to try.
type missingError struct{ reason string }

func (e *missingError) Error() string { return e.reason }

// missing ends a trial for lack of an ability.
func (t *trial) missing(a ability) error {
	reason, ok := t.client.cannot[a]
	if !ok {
		return fmt.Errorf("%s has no %s, and nothing says why", t.client.id, a)
	}
	return &missingError{reason}
}

// errCache ends a trial that would push to a cache.
var errCache = &missingError{"nobody pushes to a cache"}

// repository is one of this trial. All end alike, because a chart has a name of its own.
func (t *trial) repository(more ...string) string {
	return strings.Join(append(append([]string{t.id}, more...), "app"), "/")
}

// user makes a user of this trial.
func (t *trial) user(ctx context.Context, name string, permissions ...string) (person, error) {
	p := person{name: t.id + "-" + name}
	return p, t.site.add(ctx, &p, permissions...)
}

// robot makes a robot of this trial, for what takes no password: that costs a moment to check.
func (t *trial) robot(ctx context.Context, name string, permissions ...string) (person, error) {
	p := person{name: t.id + "-" + name, robot: true}
	return p, t.site.add(ctx, &p, permissions...)
}

// stranger opens a session for nobody.
func (t *trial) stranger(ctx context.Context) (*session, error) {
	t.entered++
	return t.client.open(ctx, t.site, filepath.Join(t.folder, fmt.Sprint("home", t.entered)))
}

// enter opens a session and logs in everywhere that the trial needs.
func (t *trial) enter(ctx context.Context, p person) (*session, error) {
	s, err := t.stranger(ctx)
	if err != nil {
		return nil, err
	}
	for _, host := range t.site.hosts() {
		if err := s.login(ctx, host, p.name, p.password); err != nil {
			return nil, fmt.Errorf("log in: %w", err)
		}
	}
	return s, nil
}

// publish has somebody push what others are to pull, and returns a session of who did.
func (t *trial) publish(ctx context.Context, repository string) (*session, error) {
	owner, err := t.robot(ctx, "owner", "repository:"+repository+":push")
	if err != nil {
		return nil, err
	}
	s, err := t.enter(ctx, owner)
	if err != nil {
		return nil, err
	}
	if err := s.push(ctx, t.origin(repository), small); err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	_, err = t.digest(ctx, repository, s)
	return s, err
}

// small is the size of what is pushed where that does not matter.
const small = 512

// ref is an image as it is pulled, and origin is one as it is pushed.
func (t *trial) ref(repository string) string { return t.site.host + "/" + repository + ":" + latest }

func (t *trial) origin(repository string) string {
	return t.site.origin + "/" + repository + ":" + latest
}

// refused checks that an attempt failed, as it had to.
func refused(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%s was not refused", what)
	}
	if _, ok := errors.AsType[*exitError](err); !ok {
		return fmt.Errorf("%s ended in no refusal: %w", what, err)
	}
	return nil
}

// digest is what a registry has under the tag of a session, asked for by a library as the admin.
func (t *trial) digest(ctx context.Context, repository string, s *session) (string, error) {
	ref, err := name.NewTag(t.site.origin + "/" + repository + ":" + s.tagged())
	if err != nil {
		return "", err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuth(&authn.Basic{Username: rootUser, Password: rootPassword})}
	if t.site.https() {
		options = append(options, remote.WithTransport(t.site.dockit.Transport()))
	}
	d, err := remote.Head(ref, options...)
	if err != nil {
		return "", fmt.Errorf("look for what was pushed: %w", err)
	}
	return d.Digest.String(), nil
}

// gone checks that a registry has nothing under a tag.
func (t *trial) gone(ctx context.Context, repository string, s *session) error {
	_, err := t.digest(ctx, repository, s)
	if e, ok := errors.AsType[*transport.Error](err); ok && e.StatusCode == http.StatusNotFound {
		return nil
	}
	if err == nil {
		return fmt.Errorf("%s is there", repository)
	}
	return err
}
