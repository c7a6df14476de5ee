package ciplatform

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/idtoken"
)

// withProgram puts a shell script on the PATH, which finds $here beside it.
func withProgram(t *testing.T, name, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write(t, filepath.Join(dir, name), "#!/bin/sh\nhere="+dir+"\n"+script, 0o700)
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return dir
}

func TestBuildkiteAgent(t *testing.T) {
	dir := withProgram(t, "buildkite-agent", `echo "$@" >"$here/asked"; cat "$here/token"`+"\n")
	raw := token(t, audience)
	write(t, filepath.Join(dir, "token"), raw+"\n", 0o600)
	for name, tc := range map[string]struct{ claims, asked string }{
		"ids":                   {"", "--claim organization_id --claim pipeline_id"},
		"what the pipeline has": {"cluster_id, queue_id", "--claim organization_id --claim pipeline_id --claim cluster_id --claim queue_id"},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := in(t, map[string]string{"BUILDKITE": "true", "BUILDKITE_OIDC_TOKEN_CLAIMS": tc.claims}).Find("")
			require.NoError(t, err)
			got, err := source.Token(t.Context(), audience)
			require.NoError(t, err)
			assert.Equal(t, raw, got)
			asked, err := os.ReadFile(filepath.Join(dir, "asked"))
			require.NoError(t, err)
			assert.Equal(t, "oidc request-token --audience registry.example.com "+tc.asked+"\n", string(asked))
		})
	}
	_, err := in(t, nil).Find("")
	require.ErrorIs(t, err, ErrNone, "the agent's program, and no job")
}

// TestPrograms guards that a program which misbehaves is an error that shows no token,
// and no more than a line.
func TestPrograms(t *testing.T) {
	const secret = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl"
	for name, tc := range map[string]struct {
		script string
		says   string
		is     error
	}{
		"fails":             {"echo debug >&2; echo 'not\033 permitted' >&2; exit 3\n", "run buildkite-agent: exit status 3: not permitted", nil},
		"fails silently":    {"exit 3\n", "run buildkite-agent: exit status 3", nil},
		"fails with tokens": {"echo 'token " + secret + " refused' >&2; exit 1\n", "token … refused", nil},
		"complains forever": {"yes a | head -c 2000000 | tr -d '\\n' >&2; exit 1\n", "exit status 1: aaaa", nil},
		"prints nothing":    {"true\n", "buildkite-agent: it is empty", nil},
		"prints no token":   {"echo hello\n", "", idtoken.ErrMalformed},
		"prints forever":    {"yes eyJhbGciOiJFUzI1NiJ9 | head -c 2000000\n", "", idtoken.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			withProgram(t, "buildkite-agent", tc.script)
			source, err := in(t, map[string]string{"BUILDKITE": "true"}).Find("")
			require.NoError(t, err)
			_, err = source.Token(t.Context(), audience)
			require.ErrorContains(t, err, tc.says)
			if tc.is != nil {
				require.ErrorIs(t, err, tc.is)
			}
			assert.NotContains(t, err.Error(), secret)
			assert.NotContains(t, err.Error(), "\n")
			assert.Less(t, len(err.Error()), 600)
		})
	}
}

// TestCircleCI guards that the token of the organization, which other services take,
// is sent by name only.
func TestCircleCI(t *testing.T) {
	mine, organization := token(t, audience), token(t, "0a1b-org")
	for name, tc := range map[string]struct {
		script   string // of the program, if there is one
		variable string
		wanted   string
		got      string
		says     string
	}{
		"program":                        {script: "cat \"$here/token\"\n", variable: organization, wanted: audience, got: mine},
		"program alone":                  {script: "cat \"$here/token\"\n", wanted: audience, got: mine},
		"variable of the organization":   {variable: organization, wanted: audience, says: "names 0a1b-org as its audience"},
		"variable, by name":              {variable: organization, wanted: "0a1b-org", got: organization},
		"old program, variable by name":  {script: "echo 'unknown command' >&2; exit 255\n", variable: organization, wanted: "0a1b-org", got: organization},
		"old program, variable":          {script: "echo 'unknown command' >&2; exit 255\n", variable: organization, wanted: audience, says: "names 0a1b-org as its audience"},
		"program that fails, by itself":  {script: "echo 'not here' >&2; exit 1\n", wanted: audience, says: "run circleci: exit status 1: not here"},
		"program that ignores its words": {script: "cat \"$here/token\"\n", wanted: "0a1b-org", says: "names registry.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("PATH", dir)
			if tc.script != "" {
				dir = withProgram(t, "circleci", `echo "$@" >"$here/asked"`+"\n"+tc.script)
				write(t, filepath.Join(dir, "token"), mine, 0o600)
			}
			source, err := in(t, map[string]string{"CIRCLECI": "true", "CIRCLE_OIDC_TOKEN_V2": tc.variable}).Find("")
			require.NoError(t, err)
			got, err := source.Token(t.Context(), tc.wanted)
			assert.Equal(t, tc.got, got)
			if tc.says != "" {
				require.ErrorContains(t, err, tc.says)
			} else {
				require.NoError(t, err)
			}
			if tc.script != "" {
				asked, err := os.ReadFile(filepath.Join(dir, "asked"))
				require.NoError(t, err)
				assert.Equal(t, `run oidc get --claims {"aud":"`+tc.wanted+`"}`, strings.TrimSpace(string(asked)))
			}
		})
	}
}
