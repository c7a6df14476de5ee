package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// deeds are what is looked at for what clients send to the token endpoint.
var deeds = []struct {
	id, title string
	do        func(ctx context.Context, t *trial, s *session, p person) error
}{
	{"login", "log in", func(ctx context.Context, t *trial, s *session, p person) error {
		return s.login(ctx, t.site.host, p.name, p.password)
	}},
	{"wrong", "log in with a wrong password", func(ctx context.Context, t *trial, s *session, p person) error {
		other, err := t.stranger(ctx)
		if err != nil {
			return err
		}
		err = other.login(ctx, t.site.host, p.name, unlikely())
		if s.trusting {
			return err
		}
		return refused("a wrong password", err)
	}},
	{"push", "push", func(ctx context.Context, t *trial, s *session, _ person) error {
		return s.push(ctx, t.ref(t.repository()), small)
	}},
	{"pull", "pull", func(ctx context.Context, t *trial, s *session, _ person) error {
		return s.pull(ctx, t.ref(t.repository()))
	}},
	{"mount", "push with a mount", func(ctx context.Context, t *trial, s *session, _ person) error {
		if s.mount == nil {
			return t.missing(canMount)
		}
		return s.mount(ctx, t.ref(t.repository()), t.ref(t.repository("target")))
	}},
	{"tags", "list tags", func(ctx context.Context, t *trial, s *session, _ person) error {
		if s.tags == nil {
			return t.missing(canTags)
		}
		_, err := s.tags(ctx, t.site.host+"/"+t.repository())
		return err
	}},
	{"catalog", "list the catalog", func(ctx context.Context, t *trial, s *session, _ person) error {
		if s.catalog == nil {
			return t.missing(canCatalog)
		}
		_, err := s.catalog(ctx, t.site.host)
		return err
	}},
	{"delete", "delete", func(ctx context.Context, t *trial, s *session, _ person) error {
		if s.remove == nil {
			return t.missing(canDelete)
		}
		digest, err := t.digest(ctx, t.repository(), s)
		if err != nil {
			return err
		}
		t.site.recorder.take() // of the look
		return s.remove(ctx, t.ref(t.repository()), digest)
	}},
	{"identity-token", "pull with a refresh token", func(ctx context.Context, t *trial, s *session, p person) error {
		if s.config == "" {
			return t.missing(canRefresh)
		}
		robot := person{name: p.name + "-ci", robot: true}
		repository := t.repository("again")
		if err := t.site.add(ctx, &robot, "repository:"+repository+":pull"); err != nil {
			return err
		}
		if err := s.push(ctx, t.ref(repository), small); err != nil {
			return err
		}
		other, err := t.stranger(ctx)
		if err != nil {
			return err
		}
		token, err := t.site.refreshToken(ctx, robot)
		if err != nil {
			return err
		}
		if err := other.keep(ctx, t.site.host, token); err != nil {
			return err
		}
		t.site.recorder.take()
		return other.pull(ctx, t.ref(repository))
	}},
}

// requests are what each client sends to the token endpoint for each deed.
type requests map[string]map[string][]string

// record has every client of which nothing is kept do every deed, with a recorder between it and Dockit.
func record(ctx context.Context, clients []*client, p programs, folder string, kept requests) (_ requests, err error) {
	kind := &siteKind{id: "recorded", title: "what clients send", start: recorded}
	s, err := startSite(ctx, kind, p, filepath.Join(folder, kind.id))
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return nil, err
	}
	sent := requests{}
	maps.Copy(sent, kept) // also of those who are not asked now
	for _, c := range clients {
		if c.absent != "" || sent[c.id] != nil {
			continue
		}
		sent[c.id] = map[string][]string{}
		if err := s.recordOne(ctx, c, sent[c.id]); err != nil {
			return nil, err
		}
	}
	return sent, nil
}

// complete reports whether something is kept of every client that is run.
func (r requests) complete(clients []*client) bool {
	return !slices.ContainsFunc(clients, func(c *client) bool { return c.absent == "" && r[c.id] == nil })
}

func (s *site) recordOne(ctx context.Context, c *client, sent map[string][]string) error {
	t := &trial{site: s, client: c, id: c.id, folder: filepath.Join(s.folder, c.id)}
	alice, err := t.user(ctx, "alice", "repository:"+c.id+"/**:*", "registry:catalog:*")
	if err != nil {
		return err
	}
	session, err := t.stranger(ctx)
	if err != nil {
		return err
	}
	for _, d := range deeds {
		s.recorder.take()
		err := d.do(ctx, t, session, alice)
		asked := s.recorder.take()
		if missing, ok := errors.AsType[*missingError](err); ok {
			asked = []string{notRunText + missing.reason}
		} else if err != nil {
			asked = append(asked, faultText+oneLine(err.Error()))
		}
		for i, one := range asked {
			asked[i] = strings.ReplaceAll(one, c.id+"/", "team/")
		}
		sent[d.id] = asked
	}
	return nil
}

// recorded has a recorder between clients and Dockit.
func recorded(ctx context.Context, s *site) error {
	if err := s.startDockit(ctx, dockit.Config{}); err != nil {
		return err
	}
	var err error
	if s.recorder, err = startRecorder(ctx, s.dockit.Host); err != nil {
		return err
	}
	r, err := s.startRegistry(ctx, registry.V3, mainRegistry, registry.Config{Realm: "http://" + s.recorder.host + "/v2/token"})
	if err != nil {
		return err
	}
	s.host = r.Host
	return nil
}

// writeRequests writes what clients send.
func (r *report) writeRequests(w *strings.Builder) {
	w.WriteString("\n## What clients send\n\nRequests to the token endpoint at " + distribution(registry.V3) + ", with the names of parameters beside `service`; `&` is between fields of one name, " +
		"and an arrow before a status other than 200. Logins are with a password.\n")
	for _, d := range deeds {
		fmt.Fprintf(w, "\n### %s\n\n| client | requests |\n|---|---|\n", strings.ToUpper(d.title[:1])+d.title[1:])
		for _, c := range r.run() {
			var all []string
			for _, one := range r.sent[c.id][d.id] {
				if reason, ok := strings.CutPrefix(one, notRunText); ok {
					all = append(all, "– "+escape(reason))
					continue
				}
				all = append(all, "`"+escape(one)+"`")
			}
			if r.sent[c.id] == nil {
				all = []string{notRunText + ended}
			}
			if len(all) == 0 {
				all = []string{"none"}
			}
			fmt.Fprintf(w, "| %s | %s |\n", c.id, strings.Join(all, "<br>"))
		}
	}
}
