package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/cores"
)

// few is how many permissions a subject has when nothing else is said.
const few = 10

// site is the servers that are measured, and those that they are compared with.
type site struct {
	options options
	cores   cores.Pair
	folder  string
	servers []*server
	// quiet writes no line for a request, logged one for each, sharing signs a token once for who asks for the very same, and large has
	// subjects with many permissions, and remembers no passwords.
	quiet, logged, sharing, large *server
	// dockerAuth is another program that does the same, nil where it is not there.
	dockerAuth *server
	// idle is what the quiet one held on its database before anybody asked it.
	idle held
	// binary is how large the program is, in MiB.
	binary float64
	// responders are by the size of what they answer.
	responders map[int]*server
}

// settle is how long a server is left alone before its memory is looked at.
const settle = 10 * time.Second

func startSite(ctx context.Context, o options, where cores.Pair, folder string) (s *site, err error) {
	s = &site{options: o, cores: where, folder: folder, responders: map[int]*server{}}
	say("starting servers on core %d; the load is on core %d", where.Server, where.Load)
	program, err := os.Stat(o.dockit)
	if err != nil {
		return s, err
	}
	s.binary = float64(program.Size()) / (1 << 20)
	const silent, unshared = "\t\tlevel WARN\n", "\t\tshared_tokens off\n"
	for _, one := range []struct {
		name, log, settings string
		into                **server
	}{
		{"quiet", silent, unshared, &s.quiet},
		{"logged", "\t\toutput file {env.HOME}/log {\n\t\t\troll_disabled\n\t\t}\n", unshared, &s.logged},
		{"sharing", silent, "", &s.sharing},
		{"large", silent, unshared + "\t\tpasswords {\n\t\t\tremember off\n\t\t}\n", &s.large},
	} {
		if *one.into, err = s.startDockit(ctx, one.name, one.log, one.settings); err != nil {
			return s, err
		}
	}
	if err := s.populate(ctx); err != nil {
		return s, err
	}
	// The first start makes keys and hashes a password, as no other does.
	if err := s.restart(ctx, s.quiet); err != nil {
		return s, err
	}
	if s.idle, err = s.idleMemory(ctx); err != nil {
		return s, err
	}
	if o.dockerAuth != "" {
		if s.dockerAuth, err = s.startDockerAuth(ctx); err != nil {
			return s, err
		}
	}
	return s, cores.Stay(where.Load)
}

// idleMemory is that of the quiet server after a while in which nobody asks it anything.
func (s *site) idleMemory(ctx context.Context) (held, error) {
	select {
	case <-time.After(min(settle, 10*s.options.length)):
	case <-ctx.Done():
		return held{}, ctx.Err()
	}
	return s.quiet.held()
}

// populate makes who asks. What has a name in the cases is the same on every server.
func (s *site) populate(ctx context.Context) error {
	say("making subjects, one with %d permissions", s.options.many)
	for _, n := range []*server{s.quiet, s.logged, s.sharing, s.large} {
		if err := n.send(ctx, http.MethodPost, "/users/anonymous/permissions", map[string]any{"permission": "repository:team-0/*:pull"}, nil); err != nil {
			return err
		}
		if err := n.send(ctx, http.MethodPost, "/users", map[string]any{"name": user, "password": userPassword}, nil); err != nil {
			return err
		}
		robots := []map[string]any{{"name": robot(few), "permissions": permissions(few)}}
		if n == s.large {
			for _, count := range []int{s.options.many / 100, s.options.many} {
				robots = append(robots, map[string]any{"name": robot(count), "permissions": permissions(count)})
			}
		}
		document := map[string]any{
			"version": "dockit/v1", "robots": robots, "users": []any{map[string]any{"name": user, "permissions": permissions(few)}},
		}
		if err := n.send(ctx, http.MethodPut, "/state?add=true", document, nil); err != nil {
			return err
		}
	}
	return nil
}

func robot(permissions int) string { return fmt.Sprintf("robot-%d", permissions) }

// permissions are so many, of the kinds that there are: repositories for the most part, some namespaces and patterns.
func permissions(count int) []string {
	all := make([]string, count)
	for i := range all {
		all[i] = fmt.Sprintf("repository:team-%d/app-%d:pull", i/100, i%100)
		switch i % 100 {
		case 97:
			all[i] = fmt.Sprintf("namespace:team-%d/group-%d:push", i/100, i)
		case 98:
			all[i] = fmt.Sprintf("repository:team-%d/*/release:pull", i)
		case 99:
			all[i] = fmt.Sprintf("repository:*/app-%d:pull", 1000+i)
		}
	}
	return all
}

// accessToken makes one of a robot.
func (n *server) accessToken(ctx context.Context, owner string) (call.Caller, error) {
	var issued struct {
		Token string `json:"token"`
	}
	err := n.send(ctx, http.MethodPost, "/robots/"+owner+"/access-tokens", map[string]any{}, &issued)
	return call.Caller{Username: owner, Password: issued.Token}, err
}

// send makes a request to the admin API that must succeed.
func (n *server) send(ctx context.Context, method, path string, body, into any) error {
	a, err := n.admin.Send(ctx, method, api+path, body)
	if err != nil {
		return err
	}
	if !a.OK() {
		return fmt.Errorf("%s %s: %s", method, path, a)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(a.Body, into)
}
