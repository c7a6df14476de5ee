package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/cores"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/port"
)

const (
	service      = "registry.test"
	rootUser     = "admin"
	rootPassword = "correct horse battery staple"
	api          = "/dockit/api/v1"
)

// server is a Dockit, or a Caddy in the same binary, on the core of the servers.
type server struct {
	*dockit.Server
	// profile is where Caddy's own admin endpoint listens, which tells what was allocated.
	profile string
	admin   call.Caller
}

// startServer starts one in a folder of its own. The configuration gets its global options, behind those that every server
// has, and its site.
func (s *site) startServer(ctx context.Context, name, global, body string) (*server, error) {
	var ports [2]int
	for i := range ports {
		var err error
		if ports[i], err = port.Free(ctx); err != nil {
			return nil, err
		}
	}
	n := &server{profile: fmt.Sprintf("127.0.0.1:%d", ports[1])}
	dir := filepath.Join(s.folder, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	caddyfile := fmt.Sprintf("{\n\tadmin %s\n\tpersist_config off\n%s}\n\nhttp://:%d {\n\tbind 127.0.0.1\n%s}\n", n.profile, global, ports[0], body)
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(caddyfile), 0o600); err != nil {
		return nil, err
	}
	err := s.runServer(ctx, n, dockit.Config{
		Binary: s.options.dockit, Port: ports[0], Dir: dir, Caddyfile: file, RootUser: rootUser, RootPassword: rootPassword,
	})
	if err == nil {
		s.servers = append(s.servers, n)
	}
	return n, err
}

// runServer runs one, and waits until it answers.
func (s *site) runServer(ctx context.Context, n *server, config dockit.Config) error {
	err := cores.On(s.cores.Server, func() (err error) {
		n.Server, err = dockit.Run(ctx, config)
		return err
	})
	if err != nil {
		return err
	}
	n.Host = fmt.Sprintf("127.0.0.1:%d", config.Port) // which is looked up by nobody
	n.URL = "http://" + n.Host
	n.admin = call.Caller{Base: n.URL, Username: rootUser, Password: rootPassword}
	if err := n.WaitReady(ctx, http.DefaultClient, n.URL+"/readyz", http.StatusOK); err != nil {
		return errors.Join(err, n.Stop())
	}
	return nil
}

// restart stops a server and runs it again on what it has.
func (s *site) restart(ctx context.Context, n *server) error {
	if err := n.Stop(); err != nil {
		return err
	}
	return s.runServer(ctx, n, n.Config())
}

// startDockit starts one with settings of its app, and of the log.
func (s *site) startDockit(ctx context.Context, name, log, settings string) (*server, error) {
	global := "\tlog {\n" + log + "\t}\n\tdockit {\n\t\tservice " + service + "\n\t\trefresh_tokens on\n" + settings +
		"\t\tdatabase sqlite {env.HOME}/dockit.sqlite\n\t\troot_user {env.DOCKIT_ROOT_USER} {env.DOCKIT_ROOT_PASSWORD}\n\t}\n"
	return s.startServer(ctx, name, global, "\tdockit\n")
}

// startResponder starts a Caddy that answers everything with a body of one size.
func (s *site) startResponder(ctx context.Context, size int) (*server, error) {
	body := "\trespond \"" + strings.Repeat("x", size) + "\"\n"
	return s.startServer(ctx, fmt.Sprintf("respond-%d", size), "\tlog {\n\t\tlevel WARN\n\t}\n", body)
}

// allocated is how often and how many bytes a process has allocated since its start.
type allocated struct{ times, bytes float64 }

func (n *server) allocated(ctx context.Context) (a allocated, err error) {
	if n.profile == "" { // another program, which does not tell
		return a, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.profile+"/debug/pprof/heap?debug=1", nil)
	if err != nil {
		return a, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", req.URL, resp.Status, text)
	}
	if err != nil {
		return a, err
	}
	for name, value := range map[string]*float64{"# Mallocs = ": &a.times, "# TotalAlloc = ": &a.bytes} {
		_, rest, found := strings.Cut(string(text), name)
		if !found {
			return a, fmt.Errorf("GET %s: no line %q", req.URL, name)
		}
		line, _, _ := strings.Cut(rest, "\n")
		if *value, err = strconv.ParseFloat(line, 64); err != nil {
			return a, fmt.Errorf("GET %s: %w", req.URL, err)
		}
	}
	return a, nil
}

// held is what a process has of memory, in MB: all of it, and what is its own alone.
type held struct {
	Resident  float64 `json:"resident_mb"`
	Anonymous float64 `json:"anonymous_mb"`
}

func (n *server) held() (h held, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.PID()))
	if err != nil {
		return h, fmt.Errorf("read the memory of a server: %w", err)
	}
	const kilo = 1024
	for line := range strings.Lines(string(status)) {
		for name, into := range map[string]*float64{"VmRSS:": &h.Resident, "RssAnon:": &h.Anonymous} {
			if value, ok := strings.CutPrefix(line, name); ok {
				kilobytes, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
				if err != nil {
					return h, fmt.Errorf("read the memory of a server: %w", err)
				}
				*into = kilobytes / kilo
			}
		}
	}
	return h, nil
}

func (s *site) stop() error {
	if s == nil {
		return nil
	}
	var all error
	for _, n := range s.servers {
		if n == s.dockerAuth {
			n.Kill() // it knows no other end without an error
			continue
		}
		all = errors.Join(all, n.Stop())
	}
	return all
}
