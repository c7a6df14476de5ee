package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

func push(ctx context.Context, t *trial) error {
	_, err := t.publish(ctx, t.repository())
	return err
}

func pull(ctx context.Context, t *trial) error { return t.pulledBy(ctx, t.repository()) }

func nested(ctx context.Context, t *trial) error { return t.pulledBy(ctx, t.repository("b", "c", "d")) }

// pulledBy has one push and another pull.
func (t *trial) pulledBy(ctx context.Context, repository string) error {
	if _, err := t.publish(ctx, repository); err != nil {
		return err
	}
	reader, err := t.user(ctx, "reader", "repository:"+repository+":pull")
	if err != nil {
		return err
	}
	s, err := t.enter(ctx, reader)
	if err != nil {
		return err
	}
	return s.pull(ctx, t.ref(repository))
}

func anonymous(ctx context.Context, t *trial) error {
	public, private := t.repository("public"), t.repository("private")
	for _, repository := range []string{public, private} {
		owner := *t // whose owner has another name
		owner.id += "-" + strings.Split(repository, "/")[1]
		if _, err := owner.publish(ctx, repository); err != nil {
			return err
		}
		t.entered = owner.entered
	}
	if err := t.site.grant(ctx, "/users/anonymous", "repository:"+public+":pull"); err != nil {
		return err
	}
	s, err := t.stranger(ctx)
	if err != nil {
		return err
	}
	if err := s.pull(ctx, t.ref(public)); err != nil {
		return err
	}
	return refused("a pull of what is private", s.pull(ctx, t.ref(private)))
}

func group(ctx context.Context, t *trial) error {
	repository := t.repository()
	if _, err := t.publish(ctx, repository); err != nil {
		return err
	}
	member, err := t.user(ctx, "member")
	if err != nil {
		return err
	}
	dev := t.id + "-dev"
	if err := t.site.send(ctx, http.MethodPost, "/groups", map[string]any{"name": dev}, nil); err != nil {
		return err
	}
	if err := t.site.grant(ctx, "/groups/"+dev, "repository:"+repository+":pull"); err != nil {
		return err
	}
	s, err := t.enter(ctx, member)
	if err != nil {
		return err
	}
	if err := refused("a pull by who is not in the group yet", s.pull(ctx, t.ref(repository))); err != nil {
		return err
	}
	if err := t.site.send(ctx, http.MethodPut, "/groups/"+dev+"/members/"+url.PathEscape(member.ref()), nil, nil); err != nil {
		return err
	}
	return s.pull(ctx, t.ref(repository))
}

func refusedPush(ctx context.Context, t *trial) error {
	repository := t.repository()
	reader, err := t.user(ctx, "reader", "repository:"+repository+":pull")
	if err != nil {
		return err
	}
	s, err := t.enter(ctx, reader)
	if err != nil {
		return err
	}
	return errors.Join(refused("a push", s.push(ctx, t.origin(repository), small)), t.gone(ctx, repository, s))
}

func refusedPull(ctx context.Context, t *trial) error {
	repository := t.repository()
	if _, err := t.publish(ctx, repository); err != nil {
		return err
	}
	eve, err := t.user(ctx, "eve")
	if err != nil {
		return err
	}
	s, err := t.enter(ctx, eve)
	if err != nil {
		return err
	}
	return refused("a pull", s.pull(ctx, t.ref(repository)))
}

func mount(ctx context.Context, t *trial) error {
	source, target := t.repository("source"), t.repository("target")
	owner, err := t.robot(ctx, "owner", "repository:"+source+":push", "repository:"+target+":push")
	if err != nil {
		return err
	}
	s, err := t.enter(ctx, owner)
	if err != nil {
		return err
	}
	if s.mount == nil {
		return t.missing(canMount)
	}
	if err := s.push(ctx, t.origin(source), small); err != nil {
		return fmt.Errorf("push: %w", err)
	}
	if err := s.mount(ctx, t.origin(source), t.origin(target)); err != nil {
		return err
	}
	if _, err := t.digest(ctx, target, s); err != nil {
		return err
	}
	if t.site.mounted(source) == 0 {
		return errors.New("no layer was mounted: each was uploaded once more")
	}
	return nil
}

// answered is a line of distribution's log about a request that it answered.
var answered = regexp.MustCompile(`http\.request\.method=POST .*http\.request\.uri="([^"]+)".*http\.response\.status=(\d+)`)

// mounted counts the layers that were mounted from a repository, as the registry's log tells.
func (s *site) mounted(source string) int {
	mounted := 0
	for line := range strings.Lines(s.registry.Output()) {
		match := answered.FindStringSubmatch(line)
		if match == nil || match[2] != "201" {
			continue
		}
		if u, err := url.Parse(match[1]); err == nil && u.Query().Get("from") == source {
			mounted++
		}
	}
	return mounted
}

// mountRefused pushes what the client may know to be in a repository that is closed by then.
func mountRefused(ctx context.Context, t *trial) error {
	source, target := t.repository("source"), t.repository("target")
	owner, err := t.robot(ctx, "owner", "repository:"+source+":push", "repository:"+target+":push")
	if err != nil {
		return err
	}
	s, err := t.enter(ctx, owner)
	if err != nil {
		return err
	}
	if s.pushAgain == nil {
		return t.missing(canPushAgain)
	}
	if err := s.push(ctx, t.origin(source), small); err != nil {
		return fmt.Errorf("push: %w", err)
	}
	closed := owner.path() + "/permissions?permission=" + url.QueryEscape("repository:"+source+":push")
	if err := t.site.send(ctx, http.MethodDelete, closed, nil, nil); err != nil {
		return err
	}
	if err := s.pushAgain(ctx, t.origin(source), t.origin(target)); err != nil {
		return err
	}
	if n := t.site.mounted(source); n != 0 {
		return fmt.Errorf("%d layers were mounted", n)
	}
	_, err = t.digest(ctx, target, s)
	return err
}

func remove(ctx context.Context, t *trial) error {
	return t.removed(ctx, "*", func(repository string, s *session, err error) error {
		if err != nil {
			return err
		}
		return t.gone(ctx, repository, s)
	})
}

func refusedDelete(ctx context.Context, t *trial) error {
	return t.removed(ctx, "push", func(repository string, s *session, err error) error {
		_, there := t.digest(ctx, repository, s)
		return errors.Join(refused("to delete", err), there)
	})
}

// removed has somebody push and then delete.
func (t *trial) removed(ctx context.Context, actions string, then func(repository string, s *session, err error) error) error {
	repository := t.repository()
	owner, err := t.robot(ctx, "owner", "repository:"+repository+":"+actions)
	if err != nil {
		return err
	}
	s, err := t.enter(ctx, owner)
	if err != nil {
		return err
	}
	if s.remove == nil {
		return t.missing(canDelete)
	}
	if err := s.push(ctx, t.origin(repository), small); err != nil {
		return fmt.Errorf("push: %w", err)
	}
	digest, err := t.digest(ctx, repository, s)
	if err != nil {
		return err
	}
	return then(repository, s, s.remove(ctx, t.ref(repository), digest))
}

func catalog(ctx context.Context, t *trial) error {
	repository := t.repository()
	s, err := t.publish(ctx, repository)
	if err != nil {
		return err
	}
	if s.catalog == nil {
		return t.missing(canCatalog)
	}
	_, err = s.catalog(ctx, t.site.host)
	if err := refused("to list the catalog", err); err != nil {
		return err
	}
	if err := t.site.grant(ctx, "/robots/"+t.id+"-owner", "registry:catalog:*"); err != nil {
		return err
	}
	out, err := s.catalog(ctx, t.site.host)
	if err == nil && !strings.Contains(out, repository) {
		err = fmt.Errorf("%s is not in the catalog: %s", repository, out)
	}
	return err
}
