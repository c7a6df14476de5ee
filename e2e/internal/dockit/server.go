// Package dockit runs the dockit binary: its server, and its commands against that server.
package dockit

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"

	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/process"
)

// Config says how to run the server.
type Config struct {
	// Binary is the dockit program.
	Binary string

	// Port is where it listens on localhost. Default: a free one.
	Port int

	// Dir is the folder of the database and everything else that the server writes. It may hold the files of
	// a server that ran before.
	Dir string

	// MySQL is the DSN of a database to use instead of one in Dir.
	MySQL string

	// RootUser and RootPassword are the first admin.
	RootUser, RootPassword string

	// HTTPS makes Dockit serve automatic HTTPS for localhost, with a certificate by an authority of its own.
	HTTPS bool

	// Args are further flags of `dockit api-server`.
	Args []string

	// Env is added to the environment of the server.
	Env []string

	// Caddyfile is a file to serve with `dockit run` instead of `dockit api-server`. It must listen on Port.
	Caddyfile string
}

// Server is a running Dockit.
type Server struct {
	*process.Process

	// Host is its address, such as localhost:15000.
	Host string

	// URL is its base URL.
	URL string

	config Config
}

// Start runs a server and waits until it is ready.
func Start(ctx context.Context, c Config) (*Server, error) {
	s, err := Run(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := s.WaitReady(ctx, s.HTTPClient(), s.URL+"/readyz", http.StatusOK); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// Run runs a server and does not wait for it.
func Run(ctx context.Context, c Config) (*Server, error) {
	if c.Port == 0 {
		p, err := port.Free(ctx)
		if err != nil {
			return nil, err
		}
		c.Port = p
	}
	address := port.Localhost(c.Port)
	dialect, dsn := "sqlite", filepath.Join(c.Dir, "dockit.sqlite")
	if c.MySQL != "" {
		dialect, dsn = "mysql", c.MySQL
	}
	args := append([]string{"api-server", "--listen", address, "--sql-dialect", dialect}, c.Args...)
	scheme := "http"
	if c.HTTPS {
		scheme = "https"
		args = append(args, "--domain", "localhost")
	}
	if c.Caddyfile != "" {
		args = []string{"run", "--config", c.Caddyfile}
	}
	env := append(append(Environment(c.Dir), "DOCKIT_SQL_DSN="+dsn), c.Env...)
	if c.RootUser != "" {
		env = append(env, "DOCKIT_ROOT_USER="+c.RootUser, "DOCKIT_ROOT_PASSWORD="+c.RootPassword)
	}
	p, err := process.Start(process.Command{
		Name: "dockit at " + address,
		Path: c.Binary,
		Args: args,
		Env:  env,
		Dir:  c.Dir,
	})
	if err != nil {
		return nil, err
	}
	return &Server{Process: p, Host: address, URL: scheme + "://" + address, config: c}, nil
}

// Config is what the server was started with, its port filled in: enough to start it again.
func (s *Server) Config() Config {
	return s.config
}

// Environment keeps everything that a program writes by itself below home.
func Environment(home string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + home,
		"XDG_CONFIG_HOME=" + filepath.Join(home, "config"),
		"XDG_DATA_HOME=" + filepath.Join(home, "data"),
		"DOCKER_CONFIG=" + filepath.Join(home, "docker"),
	}
}
