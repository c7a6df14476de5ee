package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/internal/issuertest"
)

// actionsURL is the iss of GitHub's tokens.
const actionsURL = "https://token.actions.githubusercontent.com"

// actionsCommand plays GitHub Actions: an issuer whose keys are in the file jwks.json,
// and what gives a job a token for the audience that it asks for, with other claims
// where some are given. A job finds it by its two variables.
//
//	actions [NAME=VALUE]...
func actionsCommand(t *testing.T) func(ts *testscript.TestScript, neg bool, args []string) {
	t.Helper()
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("unsupported: ! actions")
		}
		held := issuerOf(ts)
		if *held == nil {
			*held = issuertest.New(t)
			ts.Check(os.WriteFile(ts.MkAbs("jwks.json"), (*held).JWKS(), 0o600))
		}
		issuer, changes := *held, map[string]any{"iss": actionsURL}
		maps.Copy(changes, claimsOf(args))
		const secret = "bearer of-the-job"
		issuer.Answer("/token", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != secret || r.URL.Query().Get("api-version") == "" {
				http.Error(w, "who asks?", http.StatusUnauthorized)
				return
			}
			claims := issuer.Claims(time.Now(), r.URL.Query().Get("audience"), issuertest.GitHub(), changes)
			_ = json.NewEncoder(w).Encode(map[string]any{"count": 1000, "value": issuer.Sign(t, claims)})
		})
		ts.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", issuer.URL+"/token?api-version=2.0")
		ts.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", strings.TrimPrefix(secret, "bearer "))
	}
}

// runActionCommand runs the steps of action.yml as a runner does, with inputs:
//
//	[!] run-action [NAME=VALUE]...
func runActionCommand(ts *testscript.TestScript, neg bool, args []string) {
	var action struct {
		Inputs map[string]struct{ Default string }
		Runs   struct {
			Steps []struct {
				Run string
				Env map[string]string
			}
		}
	}
	content, err := os.ReadFile(filepath.Join("..", "..", "action.yml"))
	ts.Check(err)
	ts.Check(yaml.Unmarshal(content, &action))
	inputs := claimsOf(args)
	input := regexp.MustCompile(`\$\{\{ inputs\.(\w+) \}\}`)
	for _, step := range action.Runs.Steps {
		for name, value := range step.Env {
			ts.Setenv(name, input.ReplaceAllStringFunc(value, func(expression string) string {
				name := input.FindStringSubmatch(expression)[1]
				if given, ok := inputs[name]; ok {
					return given.(string)
				}
				return action.Inputs[name].Default
			}))
		}
		script := ts.MkAbs("step.sh")
		ts.Check(os.WriteFile(script, []byte(step.Run), 0o600))
		err := ts.Exec("bash", "--noprofile", "--norc", "-eo", "pipefail", script)
		if neg == (err == nil) {
			ts.Fatalf("the action: %v", err)
		}
	}
}

// claimsOf reads NAME=VALUE.
func claimsOf(args []string) map[string]any {
	claims := make(map[string]any, len(args))
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		claims[name] = value
	}
	return claims
}

// guideCommand writes the commands that stand below a heading of a guide, up to the next
// one, into a file:
//
//	guide FILE HEADING INTO
func guideCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: guide FILE HEADING INTO")
	}
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "guides", args[0]))
	ts.Check(err)
	var commands strings.Builder
	below, code := false, false
	for line := range strings.Lines(string(content)) {
		switch {
		case code && strings.HasPrefix(line, "```"):
			code = false
		case code:
			commands.WriteString(line)
		case strings.HasPrefix(line, "#"):
			below = strings.TrimSpace(strings.TrimLeft(line, "#")) == args[1]
		case below && line == "```sh\n":
			code = true
		}
	}
	if commands.Len() == 0 {
		ts.Fatalf("%s has no commands below %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(commands.String()), 0o600))
}
