package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// client is a program that people use registries with.
type client struct {
	// id is what it is called.
	id string
	// version is what it says of itself, or was built from.
	version string
	// absent is why it is not run. Empty: it is.
	absent string
	// open makes a session with a home folder of its own, for registries as those of the site are.
	open func(ctx context.Context, s *site, home string) (*session, error)
	// cannot is why it has no way to do something, by ability.
	cannot map[ability]string
	// pulls is why it pulls alone, which a library then pushes. Empty: it does not.
	pulls string
	// faults of its own are what it fails at wherever it is run, and why, by operation.
	faults map[string]string
}

// ability is something that some clients can do and others cannot.
type ability string

const (
	canLogout    ability = "logout"
	canMount     ability = "mount"
	canPushAgain ability = "push of what is known to be elsewhere"
	canDelete    ability = "delete"
	canCatalog   ability = "catalog"
	canTags      ability = "tags"
	canIndex     ability = "index"
	canArtifact  ability = "artifact"
	canReferrers ability = "referrers"
	canRefresh   ability = "refresh token"
	canCache     ability = "build cache"
)

// session is a client in a home folder of its own. What is nil, the client cannot do.
type session struct {
	home string
	// config is where it reads logins as docker stores them. Empty: it does not.
	config string
	// storeToken stores a refresh token as docker login does, where that is not in the configuration.
	storeToken func(ctx context.Context, host, token string) error
	// trusting is a client that stores what it is given without a try.
	trusting bool
	// tag is what it pushes as. Empty: latest.
	tag string

	login  func(ctx context.Context, host, username, password string) error
	logout func(ctx context.Context, host string) error
	// push makes a new image, or whatever the client pushes, with a layer of about that many bytes.
	push func(ctx context.Context, ref string, size int64) error
	pull func(ctx context.Context, ref string) error
	// mount pushes what is at from once more as to, in a way that needs no second upload.
	mount func(ctx context.Context, from, to string) error
	// pushAgain pushes as to what was pushed as from, without a look at from.
	pushAgain func(ctx context.Context, from, to string) error
	// remove deletes what is tagged so, whose digest is given.
	remove func(ctx context.Context, ref, digest string) error
	// catalog and tags return what is printed.
	catalog func(ctx context.Context, host string) (string, error)
	tags    func(ctx context.Context, repository string) (string, error)
	// pushIndex pushes an index with images for two platforms, and pullIndex pulls all of it.
	pushIndex, pullIndex func(ctx context.Context, ref string) error
	// pushArtifact and pullArtifact take a file that is no image.
	pushArtifact, pullArtifact func(ctx context.Context, ref string) error
	// attach pushes something that refers to the image, and referrers prints what does.
	attach    func(ctx context.Context, ref string) error
	referrers func(ctx context.Context, ref string) (string, error)
	// exportCache builds something and pushes what was built on the way, and importCache builds it once more out of that alone.
	exportCache, importCache func(ctx context.Context, ref string) error
}

// tagged is the tag of what it pushes.
func (s *session) tagged() string {
	if s.tag == "" {
		return latest
	}
	return s.tag
}

// program runs a client's commands.
type program struct {
	path, home string
	// through is the command that runs it. Empty: nothing in between.
	through []string
	// env is added to the environment, before and after what is given with each command.
	env           []string
	before, after []string
}

// newProgram is one with a home folder, which trusts the authority of the site as it would one of the system.
func newProgram(path, home string, s *site) program {
	return program{path: path, home: home, env: s.trust()}
}

// exitError is a command of a client that ended with an exit code other than 0. Arguments may hold passwords, and are left out.
type exitError struct {
	command string
	code    int
	said    string
}

func (e *exitError) Error() string {
	return fmt.Sprintf("%s: exit code %d: %s", e.command, e.code, e.said)
}

// run runs a command to its end and returns what it printed on standard output.
func (p program) run(ctx context.Context, stdin string, args ...string) (string, error) {
	all := append(append(append([]string{}, p.before...), args...), p.after...)
	line := append(append(append([]string{}, p.through...), p.path), all...)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...) //nolint:gosec // runs what the tests built or got
	cmd.Env = append(dockit.Environment(p.home), p.env...)
	cmd.Dir = p.home
	cmd.Stdin = strings.NewReader(stdin)
	cmd.WaitDelay = 5 * time.Second // for what it started itself
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := os.MkdirAll(p.home, 0o700); err != nil {
		return "", err
	}
	err := cmd.Run()
	command := filepath.Base(p.path) + " " + args[0]
	switch {
	case err == nil:
		return stdout.String(), nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s: %w: %s", command, ctx.Err(), stderr.String())
	case cmd.ProcessState != nil && cmd.ProcessState.ExitCode() > 0:
		return "", &exitError{command, cmd.ProcessState.ExitCode(), withoutProgress(stdout.String() + "\n" + stderr.String())}
	default:
		return "", fmt.Errorf("%s: %w: %s", command, err, stderr.String())
	}
}

// do is run for who does not care for the output.
func (p program) do(ctx context.Context, stdin string, args ...string) error {
	_, err := p.run(ctx, stdin, args...)
	return err
}

// in is a path in the home folder, whose folder is made.
func (p program) in(elements ...string) (string, error) {
	file := filepath.Join(append([]string{p.home}, elements...)...)
	return file, os.MkdirAll(filepath.Dir(file), 0o700)
}
