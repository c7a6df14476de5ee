package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/dockit-registry/dockit/internal/issuertest"
	"github.com/dockit-registry/dockit/store/mariadbtest"
)

// TestMain makes this test binary stand in for dockit in the scripts, and for
// a Caddy that is built with it.
func TestMain(m *testing.M) {
	// Or the race detector lets each program sleep for a second at its end.
	if os.Getenv("GORACE") == "" {
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // that is a valid name
	}
	testscript.Main(mariaDBTests{m}, map[string]func(){
		"dockit": func() { os.Exit(run(os.Args[1:])) },
		"caddy":  caddycmd.Main,
	})
}

// mariaDBTests stops MariaDB after the tests.
type mariaDBTests struct{ m *testing.M }

func (t mariaDBTests) Run() int { return mariadbtest.Run(t.m) }

// TestScripts runs testdata/script/*.txtar. Beside the commands of testscript
// they have those of [actionsCommand], [runActionCommand], [guideCommand],
// [serveCommand], [stopCommand], [getCommand],
// [reloadCommand], [exitsCommand], [freePortCommand], [awaitCommand],
// [pretendCommand], [expiredCommand], [issuerCommand], [signCommand] and
// [registryCommand].
func TestScripts(t *testing.T) { runScripts(t, "script", func() []string { return nil }) }

// TestScriptsOnMariaDB runs testdata/mariadb/*.txtar. $DSN is that of an empty
// database, another one for each script.
func TestScriptsOnMariaDB(t *testing.T) {
	mariadbtest.Started(t) // or skip before any script runs
	runScripts(t, "mariadb", func() []string { return []string{"DSN=" + mariadbtest.DSN(t)} })
}

func runScripts(t *testing.T, folder string, variables func() []string) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", folder),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "home", "data"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "home", "config"))
			env.Setenv("DOCKER_CONFIG", filepath.Join(env.WorkDir, "home", "docker"))
			env.Setenv("NO_COLOR", "1")
			env.Setenv("GORACE", os.Getenv("GORACE"))
			env.Vars = append(env.Vars, variables()...)
			env.Values[serverKey{}] = new(server)
			env.Values[issuerKey{}] = new(*issuertest.Issuer)
			env.Values[registryKey{}] = new(*registry)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"actions":    actionsCommand(t),
			"run-action": runActionCommand,
			"guide":      guideCommand,

			"serve": serveCommand,
			// Not stop: the one of testscript itself would win, and end the script.
			"stop-server": stopCommand,
			"get":         getCommand,
			"exits":       exitsCommand,
			"keep":        keepCommand,
			"post":        postCommand,
			"free-port":   freePortCommand,
			"await":       awaitCommand,
			"pretend":     pretendCommand,
			"reload":      reloadCommand,
			"expired":     expiredCommand,
			"issuer":      issuerCommand(t),
			"sign":        signCommand(t),
			"registry":    registryCommand(t),
		},
	})
}
