package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dockit-registry/dockit/internal/freeport"
)

// patience is how long a script waits for a server to start or to stop.
const patience = 30 * time.Second

// serverKey finds the server of a script among the script's values.
type serverKey struct{}

// server is a Dockit that runs in the background of a script.
type server struct {
	cmd    *exec.Cmd
	exited chan error
}

// serveCommand starts a server in the background and waits until it is ready:
//
//	serve [NAME=value…] [api-server flags…]
//	serve [NAME=value…] run --config FILE
//
// With flags alone, the server is `dockit api-server` on a free port, and
// $DOCKIT_BASE_URL is set to its URL. With run, $DOCKIT_BASE_URL must say
// already where the configuration makes it listen. NAME=value adds to the
// server's environment. Its output goes to the files server.stdout and
// server.stderr. The end of the script stops it, or [stopCommand].
func serveCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! serve; use ! exec dockit api-server")
	}
	s := ts.Value(serverKey{}).(*server)
	if s.cmd != nil {
		ts.Fatalf("a server is running: stop it first")
	}
	env := scriptEnvironment(ts)
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") && strings.Contains(args[0], "=") {
		env, args = append(env, args[0]), args[1:]
	}
	run := len(args) > 0 && args[0] == "run"
	if !run {
		args = slices.Concat([]string{"api-server", "--listen", "127.0.0.1:0"}, args)
	}
	path, err := lookUp("dockit", ts.Getenv("PATH"))
	ts.Check(err)
	stdout, err := os.Create(ts.MkAbs("server.stdout"))
	ts.Check(err)
	stderr, err := os.Create(ts.MkAbs("server.stderr"))
	ts.Check(err)

	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, ts.MkAbs("."), stdout, stderr
	ts.Check(cmd.Start())
	*s = server{cmd: cmd, exited: make(chan error, 1)}
	go func() {
		s.exited <- cmd.Wait()
		stdout.Close()
		stderr.Close()
	}()
	ts.Defer(func() { _ = s.stop() })

	if !run {
		ts.Setenv("DOCKIT_BASE_URL", s.wait(ts, func() string { return servingURL(ts) }))
	}
	s.wait(ts, func() string {
		resp, err := http.Get(ts.Getenv("DOCKIT_BASE_URL") + "/readyz")
		if err != nil {
			return ""
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return ""
		}
		return "ready"
	})
}

// stopCommand stops the server as an init system does, with SIGTERM, and
// checks that it ends by itself with exit code 0.
func stopCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: stop-server")
	}
	s := ts.Value(serverKey{}).(*server)
	if s.cmd == nil {
		ts.Fatalf("no server is running")
	}
	ts.Check(s.stop())
}

// reloadCommand makes a server that runs a configuration read it again. It
// does not wait until that is done.
func reloadCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: reload")
	}
	s := ts.Value(serverKey{}).(*server)
	if s.cmd == nil {
		ts.Fatalf("no server is running")
	}
	ts.Check(s.cmd.Process.Signal(syscall.SIGUSR1))
}

// keepCommand sets a variable to what the last command printed, without the
// line break at its end, or to the first group of an expression in it:
//
//	keep NAME [EXPRESSION]
func keepCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: keep NAME [EXPRESSION]")
	}
	value := strings.TrimSuffix(ts.ReadFile("stdout"), "\n")
	if len(args) == 2 {
		found := regexp.MustCompile(args[1]).FindStringSubmatch(value)
		if len(found) < 2 {
			ts.Fatalf("nothing in the output matches %s", args[1])
		}
		value = found[1]
	}
	ts.Setenv(args[0], value)
}

// getCommand sends a GET request and checks the status; the body is standard
// output:
//
//	get [-u USER:PASSWORD] PATH STATUS
//
// The path is below $DOCKIT_BASE_URL.
func getCommand(ts *testscript.TestScript, neg bool, args []string) {
	var credentials string
	if len(args) > 1 && args[0] == "-u" {
		credentials, args = args[1], args[2:]
	}
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get [-u USER:PASSWORD] PATH STATUS")
	}
	req, err := http.NewRequest(http.MethodGet, ts.Getenv("DOCKIT_BASE_URL")+args[0], nil)
	ts.Check(err)
	if username, password, ok := strings.Cut(credentials, ":"); ok {
		req.SetBasicAuth(username, password)
	}
	send(ts, req, args[1])
}

// postCommand sends a form and checks the status; the body is standard output:
//
//	post PATH FORM STATUS
//
// The path is below $DOCKIT_BASE_URL.
func postCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: post PATH FORM STATUS")
	}
	req, err := http.NewRequest(http.MethodPost, ts.Getenv("DOCKIT_BASE_URL")+args[0], strings.NewReader(args[1]))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	send(ts, req, args[2])
}

func send(ts *testscript.TestScript, req *http.Request, status string) {
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	_, err = ts.Stdout().Write(body)
	ts.Check(err)
	if strconv.Itoa(resp.StatusCode) != status {
		ts.Fatalf("%s %s: status %d, want %s\n%s", req.Method, req.URL.Path, resp.StatusCode, status, body)
	}
}

// exitsCommand runs a program that must end with a given exit code:
//
//	exits CODE PROGRAM [ARGUMENT…]
func exitsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGUMENT…]")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%s ended with exit code %d, want %s", args[1], code, args[0])
	}
}

// freePortCommand sets a variable to a TCP port of 127.0.0.1 that was free a
// moment ago:
//
//	free-port NAME
func freePortCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: free-port NAME")
	}
	port, err := freeport.Next(context.Background())
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(port))
}

// wait asks until there is an answer, the server has ended, or patience has.
func (s *server) wait(ts *testscript.TestScript, ask func() string) string {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if answer := ask(); answer != "" {
			return answer
		}
		select {
		case err := <-s.exited:
			s.exited <- err
			ts.Fatalf("the server ended: %v\n%s", err, ts.ReadFile("server.stderr"))
		default:
		}
	}
	ts.Fatalf("the server is not ready after %s\n%s", patience, ts.ReadFile("server.stderr"))
	return ""
}

func (s *server) stop() error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-s.exited:
		return err
	case <-time.After(patience):
		_ = cmd.Process.Kill() // the error below says what went wrong
		return fmt.Errorf("the server did not stop within %s of SIGTERM", patience)
	}
}

var servingLine = regexp.MustCompile(`serving on (https?://[^"\s]+)`)

// servingURL is what the server logged as its address, or empty.
func servingURL(ts *testscript.TestScript) string {
	log, err := os.ReadFile(ts.MkAbs("server.stderr"))
	ts.Check(err)
	if match := servingLine.FindSubmatch(log[:bytes.LastIndexByte(log, '\n')+1]); match != nil {
		return string(match[1])
	}
	return ""
}

// scriptEnvironment is what a server needs of a script's environment; it does
// not inherit the credentials of the script's client.
func scriptEnvironment(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "NO_COLOR", "GOCOVERDIR"} {
		if value := ts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func lookUp(name, path string) (string, error) {
	for dir := range strings.SplitSeq(path, string(os.PathListSeparator)) {
		file := dir + string(os.PathSeparator) + name
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file, nil
		}
	}
	return "", fmt.Errorf("%s is not in %s", name, path)
}
