package dockit_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const (
	exampleRegistry = "registry.example.com"
	pipedLogin      = ` | docker login ` + exampleRegistry + ` --username ci --password-stdin`
)

// node is a part of a YAML file.
type node struct{ *yaml.Node }

// at goes down by the keys of maps, and - for the first element of a list.
func (n node) at(t *testing.T, keys ...string) node {
	t.Helper()
	for depth, key := range keys {
		found := false
		switch {
		case n.Kind == yaml.SequenceNode && key == "-" && len(n.Content) > 0:
			n, found = node{n.Content[0]}, true
		case n.Kind == yaml.MappingNode:
			for i := 0; i < len(n.Content) && !found; i += 2 {
				if n.Content[i].Value == key {
					n, found = node{n.Content[i+1]}, true
				}
			}
		}
		require.True(t, found, "there is no %s", strings.Join(keys[:depth+1], " "))
	}
	return n
}

// as is what stands there.
func as[T any](t *testing.T, n node, keys ...string) T {
	t.Helper()
	var value T
	require.NoError(t, n.at(t, keys...).Decode(&value))
	return value
}

// documents reads every document of a YAML file. Keys that stand twice are errors.
func documents(t *testing.T, file string) []node {
	t.Helper()
	var all []node
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(contentOf(t, file))))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			require.NotEmpty(t, all, file)
			return all
		}
		require.NoError(t, err, file)
		var anything any
		require.NoError(t, document.Decode(&anything), file)
		all = append(all, node{document.Content[0]})
	}
}

func ciExample(file string) string { return path.Join("examples/ci", file) }

// TestGitHubAndForgejoExamples: the job may have its token, only the main branch runs it,
// and it gives the action what the action asks for.
func TestGitHubAndForgejoExamples(t *testing.T) {
	for file, source := range map[string]string{"github/.github/workflows/image.yml": "", "forgejo/.forgejo/workflows/image.yml": "https://github.com/"} {
		t.Run(file, func(t *testing.T) {
			workflow := documents(t, ciExample(file))[0]
			assert.Equal(t, map[string]any{"push": map[string]any{"branches": []any{"main"}}}, as[map[string]any](t, workflow, "on"), "strangers start pull requests")
			job := workflow.at(t, "jobs", "push")
			if source == "" {
				assert.Empty(t, as[map[string]string](t, workflow, "permissions"))
				assert.Equal(t, map[string]string{"contents": "read", "id-token": "write"}, as[map[string]string](t, job, "permissions"))
			} else {
				assert.True(t, as[bool](t, workflow, "enable-openid-connect"))
			}
			steps := as[[]struct {
				Uses, Run string
				With      map[string]string
			}](t, job, "steps")
			require.Len(t, steps, 3)
			checkout := regexp.MustCompile(`uses: (actions/checkout@[0-9a-f]{40} # v[0-9.]+)\n`).FindStringSubmatch(contentOf(t, ".github/workflows/make.yml"))
			require.NotNil(t, checkout)
			assert.Contains(t, contentOf(t, ciExample(file)), "uses: "+source+checkout[1]+"\n", "as the workflows here have it")
			assert.Equal(t, "false", steps[0].With["persist-credentials"])
			assert.Equal(t, source+"dockit-registry/dockit@main", steps[1].Uses)
			a := readAction(t)
			for name, value := range steps[1].With {
				assert.Contains(t, a.Inputs, name)
				assert.NotEmpty(t, value, name)
			}
			for name, input := range a.Inputs {
				if input.Required {
					assert.NotEmpty(t, steps[1].With[name], name)
				}
			}
			assert.NotContains(t, steps[2].Run, "${{")
			checkShell(t, steps[2].Run)
		})
	}
}

// TestGitLabExample: the component declares a token for the registry alone, and lets only
// what can be no shell into its scripts.
func TestGitLabExample(t *testing.T) {
	component := documents(t, ciExample("gitlab/templates/login.yml"))
	require.Len(t, component, 2, "a header, and what it is of")
	inputs := component[0].at(t, "spec", "inputs")
	for name, c := range map[string]struct{ good, bad []string }{
		"registry": {[]string{exampleRegistry, "localhost:5000"}, []string{"", "-h", "a b", "a;b", "$(id)", "`id`", "a\nb"}},
		"robot":    {[]string{"_", "ci", "a.b-c@d"}, []string{"", "--help", "ci;id", "$X", "ci\n"}},
	} {
		pattern := regexp.MustCompile(as[string](t, inputs, name, "regex"))
		for _, value := range c.good {
			assert.Regexp(t, pattern, value)
		}
		for _, value := range c.bad {
			assert.NotRegexp(t, pattern, value)
		}
	}
	job := component[1].at(t, ".dockit-login")
	assert.Equal(t, "$[[ inputs.registry ]]", as[string](t, job, "id_tokens", "DOCKIT_ID_TOKEN", "aud"))
	for _, script := range []string{"before_script", "after_script"} {
		for _, line := range as[[]string](t, job, script) {
			used := regexp.MustCompile(`\$\[\[ inputs\.(\w+) \]\]`).FindAllStringSubmatch(line, -1)
			require.NotEmpty(t, used, line)
			for _, match := range used {
				line = strings.ReplaceAll(line, match[0], as[string](t, node{parsed(t, "registry: "+exampleRegistry+"\nrobot: ci")}, match[1]))
			}
			checkShell(t, line)
			if script == "before_script" {
				assert.Equal(t, `printf '%s' "$DOCKIT_ID_TOKEN"`+pipedLogin, line)
			}
		}
	}

	pipeline := documents(t, ciExample("gitlab/.gitlab-ci.yml"))[0]
	include := pipeline.at(t, "include", "-")
	assert.FileExists(t, ciExample("gitlab/"+as[string](t, include, "local")))
	for name := range as[map[string]string](t, include, "inputs") {
		inputs.at(t, name)
	}
	assert.Equal(t, ".dockit-login", as[string](t, pipeline, "image", "extends"))
	rules := as[[]map[string]string](t, pipeline, "image", "rules")
	require.Len(t, rules, 1)
	assert.Contains(t, rules[0]["if"], `$CI_COMMIT_REF_PROTECTED == "true"`)
}

func parsed(t *testing.T, text string) *yaml.Node {
	t.Helper()
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte(text), &document))
	return document.Content[0]
}

// TestOtherPipelineExamples: each asks for a token for the registry, logs in by standard
// input, and pushes from the main branch alone.
func TestOtherPipelineExamples(t *testing.T) {
	t.Run("Buildkite", func(t *testing.T) {
		step := documents(t, ciExample("buildkite/.buildkite/pipeline.yml"))[0].at(t, "steps", "-")
		assert.Equal(t, "main", as[string](t, step, "branches"))
		commands := as[[]string](t, step, "command")
		assert.Equal(t, `buildkite-agent oidc request-token --audience `+exampleRegistry+` --claim organization_id --claim pipeline_id`+pipedLogin, commands[0])
		for _, command := range commands {
			assert.NotRegexp(t, `(^|[^$])\$[^$]`, command, "one dollar sign is replaced when the pipeline is uploaded")
			checkShell(t, command)
		}
	})
	t.Run("CircleCI", func(t *testing.T) {
		config := documents(t, ciExample("circleci/.circleci/config.yml"))[0]
		assert.InDelta(t, 2.1, as[float64](t, config, "version"), 0)
		steps := as[[]any](t, config, "jobs", "image", "steps")
		require.Len(t, steps, 3)
		login := steps[1].(map[string]any)["run"].(map[string]any)["command"].(string)
		assert.Equal(t, `circleci run oidc get --claims '{"aud":"`+exampleRegistry+`"}'`+pipedLogin, login)
		checkShell(t, login)
		assert.Equal(t, "main", as[string](t, config, "workflows", "image", "jobs", "-", "image", "filters", "branches", "only"))
	})
	t.Run("Bitbucket", func(t *testing.T) {
		step := documents(t, ciExample("bitbucket/bitbucket-pipelines.yml"))[0].at(t, "pipelines", "branches", "main", "-", "step")
		assert.Equal(t, []string{exampleRegistry}, as[[]string](t, step, "oidc", "audiences"))
		assert.Contains(t, as[[]string](t, step, "services"), "docker")
		script := as[[]string](t, step, "script")
		assert.Equal(t, `printf '%s' "$BITBUCKET_STEP_OIDC_TOKEN"`+pipedLogin, script[0])
		checkShell(t, strings.Join(script, "\n"))
	})
	t.Run("Jenkins", func(t *testing.T) {
		file := contentOf(t, ciExample("jenkins/Jenkinsfile"))
		scripts := regexp.MustCompile(`(?m)^ *sh (.*)$`).FindAllStringSubmatch(file, -1)
		require.Len(t, scripts, 4)
		for _, match := range scripts {
			require.Regexp(t, `^'[^'\\]+'$`, match[1], "Groovy replaces variables in double quotes, secrets as well")
			checkShell(t, strings.Trim(match[1], "'"))
		}
		assert.Contains(t, file, "withCredentials([usernamePassword(credentialsId: 'dockit-ci', usernameVariable: 'ROBOT', passwordVariable: 'TOKEN')])")
		assert.Equal(t, strings.Count(file, "{"), strings.Count(file, "}"))
		assert.Regexp(t, `post \{\s+always \{\s+sh 'docker logout`, file)
	})
}

// TestCIExamplesKeepNoSecret looks through every file: none has a place for a password, and
// none shows one to other processes.
func TestCIExamplesKeepNoSecret(t *testing.T) {
	found := 0
	require.NoError(t, filepath.WalkDir("examples/ci", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(file) == ".md" {
			return err
		}
		found++
		content, err := os.ReadFile(file)
		for _, secret := range []string{"secrets.", "dockit_", "eyJ", "_PASSWORD", "_SECRET", "PASSWORD:", "--password ", "--password=", " -p "} {
			assert.NotContains(t, string(content), secret, file)
		}
		for line := range strings.Lines(string(content)) {
			if strings.Contains(line, "docker login") && !strings.HasPrefix(strings.TrimSpace(line), "#") {
				assert.Contains(t, line, "--password-stdin", file)
				assert.Contains(t, line, "--username", file)
			}
		}
		assert.NotContains(t, string(content), "pull_request", file)
		return err
	}))
	assert.GreaterOrEqual(t, found, 9)
}
