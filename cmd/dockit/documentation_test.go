package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"github.com/dockit-registry/dockit/internal/freeport"
)

// languages are those of blocks in the documentation. What stands in sh and console is
// run; nothing to run may stand in another.
var languages = []string{"sh", "console", "text", "yaml", "json", "caddyfile", "sql", "haproxy", "nginx", "toml", "ini", "groovy", "hcl"}

// root is that of the repository.
const root = "../.."

// generated is where pages stand that repeat the help of commands.
const generated = "docs/reference/"

// block is a fenced block of a page.
type block struct {
	line     int // of its first line
	language string
	content  string
}

// command is what a shell takes at once: a line, with those that it goes on in.
type command struct {
	line   int
	text   string
	output *string // that the page shows, if it does
}

// pagesOf are the Markdown files of the repository with their blocks.
func pagesOf(t *testing.T) map[string][]block {
	t.Helper()
	pages := make(map[string][]block)
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "bin" || entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".") && path != root):
			return filepath.SkipDir
		case !entry.Type().IsRegular() || filepath.Ext(path) != ".md":
			return nil
		}
		content, err := os.ReadFile(path)
		if err == nil {
			name, _ := filepath.Rel(root, path)
			pages[filepath.ToSlash(name)] = blocksOf(content)
		}
		return err
	}))
	return pages
}

func blocksOf(source []byte) []block {
	var blocks []block
	document := goldmark.New().Parser().Parse(text.NewReader(source))
	_ = ast.Walk(document, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		fenced, ok := node.(*ast.FencedCodeBlock)
		if !ok || !entering || fenced.Lines().Len() == 0 {
			return ast.WalkContinue, nil
		}
		start := fenced.Lines().At(0).Start
		blocks = append(blocks, block{
			line: 1 + strings.Count(string(source[:start]), "\n"), language: string(fenced.Language(source)),
			content: string(fenced.Lines().Value(source)),
		})
		return ast.WalkContinue, nil
	}) // no step returns an error
	return blocks
}

var hereDocument = regexp.MustCompile(`<<-?\s*['"]?(\w+)['"]?`)

// commandsOf reads the commands of a block.
func commandsOf(b block) []command {
	var commands []command
	end := "" // of a here-document
	open := false
	for i, line := range strings.Split(strings.TrimRight(b.content, "\n"), "\n") {
		last := len(commands) - 1
		prompted, isPrompt := strings.CutPrefix(line, "$ ")
		switch {
		case open:
			commands[last].text += "\n" + line
		case b.language == "console" && isPrompt:
			commands = append(commands, command{line: b.line + i, text: prompted, output: new(string)})
			line = prompted
		case b.language == "console":
			if last >= 0 {
				*commands[last].output += line + "\n"
			}
			continue
		case strings.TrimSpace(line) == "" || strings.HasPrefix(strings.TrimSpace(line), "#"):
			continue
		default:
			commands = append(commands, command{line: b.line + i, text: line})
		}
		if match := hereDocument.FindStringSubmatch(line); match != nil && end == "" {
			end, open = match[1], true
			continue
		}
		if end != "" {
			if strings.TrimSpace(line) == end {
				end, open = "", false
			}
			continue
		}
		open = strings.HasSuffix(line, `\`)
	}
	return commands
}

var (
	serverCommand   = regexp.MustCompile(`^((\w+=\S+ )*)(\./)?dockit (api-server|run)\b`)
	trailingComment = regexp.MustCompile(`\s+#\s.*$`)
	absolutePath    = regexp.MustCompile(`(^|[\s=:<>"'@])/(run|etc|data|backup|var|trust|srv|certs)/`)
	serverAddress   = regexp.MustCompile(`https://(registry|admin|auth)\.example\.com\b|http://localhost:4315\b`)
)

// runnable makes a command of a page one that runs in a folder, with a server on an
// address.
func (p storyOfPage) runnable(text, folder, address string) string {
	for _, pair := range p.instead {
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	text = serverAddress.ReplaceAllString(text, "http://"+address)
	return absolutePath.ReplaceAllString(text, "${1}"+folder+"/${2}/")
}

// prelude is what every page begins with. A server is one for the whole page, until
// another is started.
const prelude = `set -eu
server=
stop_server() { if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" || true; server=; fi; }
trap stop_server EXIT
ready() {
	server=$!
	for _ in $(seq 300); do
		dockit health "${1:-$DOCKIT_BASE_URL}" >/dev/null 2>&1 && return
		kill -0 "$server" 2>/dev/null || { echo "the server ended"; cat server.log; return 1; }
		sleep 0.1
	done
	echo "the server is not ready"; cat server.log; return 1
}
`

// script is what a shell runs of a page.
func (p storyOfPage) script(t *testing.T, page string, commands []command, folder, address string) string {
	t.Helper()
	var s strings.Builder
	s.WriteString(prelude)
	if !p.withoutServer {
		s.WriteString("dockit api-server >server.log 2>&1 &\nready\n")
	}
	s.WriteString(p.runnable(p.before, folder, address) + "\n")
	skipped := make([]bool, len(p.notRun))
	failing := make([]bool, len(p.fails))
	for _, c := range commands {
		if i := slices.IndexFunc(p.notRun, func(n notRun) bool { return strings.HasPrefix(c.text, n.command) }); i >= 0 {
			skipped[i] = true
			continue
		}
		where := fmt.Sprintf("%s:%d", page, c.line)
		fmt.Fprintf(&s, "\necho '--- %s' >&2\n", where)
		text := p.runnable(c.text, folder, address)
		fails := slices.IndexFunc(p.fails, func(f failure) bool { return strings.HasPrefix(c.text, f.command) })
		switch {
		case c.output != nil:
			fmt.Fprintf(&s, "{ %s\n} >shown 2>&1 || true\ndiff - shown <<'END_OF_OUTPUT'\n%sEND_OF_OUTPUT\n", text, strings.TrimRight(*c.output, "\n")+"\n")
		case serverCommand.MatchString(text):
			text = trailingComment.ReplaceAllString(text, "")
			if !strings.Contains(text, ">") {
				text += " >server.log 2>&1"
			}
			fmt.Fprintf(&s, "stop_server\n%s &\nready %s\n", text, p.servesAt)
		case fails >= 0:
			failing[fails] = true
			fmt.Fprintf(&s, "code=0; { %s\n} || code=$?\n[ $code = %d ] || { echo \"exit code $code, not %[2]d\"; exit 1; }\n", text, p.fails[fails].code)
		default:
			s.WriteString(text + "\n")
		}
	}
	for i, n := range p.notRun {
		assert.True(t, skipped[i], "%s: no command begins with %q: take it out of the table", page, n.command)
	}
	for i, f := range p.fails {
		assert.True(t, failing[i], "%s: no command begins with %q: take it out of the table", page, f.command)
	}
	return s.String()
}

// TestCommandsInDocumentation runs every command of every page as it is printed, in the
// order of the page, against a server; but for those that the table of stories gives
// a reason for.
func TestCommandsInDocumentation(t *testing.T) {
	bash, err := exec.LookPath("bash")
	require.NoError(t, err)
	pages := pagesOf(t)
	require.Contains(t, pages, "README.md")
	for page := range stories {
		assert.Contains(t, pages, page, "take it out of the table")
	}
	for page, blocks := range pages {
		if strings.HasPrefix(page, generated) {
			continue
		}
		var commands []command
		for _, b := range blocks {
			if b.language == "sh" || b.language == "console" {
				commands = append(commands, commandsOf(b)...)
			}
		}
		if len(commands) == 0 {
			continue
		}
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			story := stories[page]
			if story.why != "" {
				assert.Empty(t, story.notRun)
				return
			}
			needs(t, commands, story)
			folder := t.TempDir()
			port, err := freeport.Next(t.Context())
			require.NoError(t, err)
			address := fmt.Sprintf("127.0.0.1:%d", port)
			script := story.script(t, page, commands, folder, address)
			for _, name := range []string{"run/secrets", "etc/registry", "data", "backup", "var/log", "trust", "certs", "home"} {
				require.NoError(t, os.MkdirAll(filepath.Join(folder, name), 0o755))
			}
			for name, content := range story.files {
				path := filepath.Join(folder, name)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				mode := os.FileMode(0o600)
				if strings.HasPrefix(content, "#!") {
					mode = 0o700
				}
				require.NoError(t, os.WriteFile(path, []byte(story.runnable(content, folder, address)), mode))
			}
			require.NoError(t, os.Symlink(which(t, "dockit"), filepath.Join(folder, "dockit")))
			file := filepath.Join(t.TempDir(), "story.sh")
			require.NoError(t, os.WriteFile(file, []byte(script), 0o600))
			shell := exec.CommandContext(t.Context(), bash, file)
			shell.Dir, shell.WaitDelay = folder, time.Second
			home := filepath.Join(folder, "home")
			shell.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home, "DOCKER_CONFIG="+home,
				"PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"), "NO_COLOR=1",
				"DOCKIT_LISTEN="+address, "DOCKIT_BASE_URL=http://"+address,
				"DOCKIT_ROOT_USER=admin", "DOCKIT_ROOT_PASSWORD="+documentedPassword, "DOCKIT_USERNAME=admin", "DOCKIT_PASSWORD="+documentedPassword)
			shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			output, err := shell.CombinedOutput()
			left := syscall.Kill(-shell.Process.Pid, syscall.SIGKILL)
			require.NoError(t, err, "%s", output)
			assert.ErrorIs(t, left, syscall.ESRCH, "the page leaves something running")
		})
	}
}

// needs skips a page whose commands take a program that is not there, which CI has.
func needs(t *testing.T, commands []command, story storyOfPage) {
	t.Helper()
	for _, program := range []string{"curl", "openssl"} {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if !slices.ContainsFunc(commands, func(c command) bool { return !story.skips(c) && strings.HasPrefix(c.text, program+" ") }) {
			continue
		}
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing", program)
		}
		t.Skipf("%s is missing: install it to run the commands of this page", program)
	}
}

// skips reports whether a command is not run.
func (p storyOfPage) skips(c command) bool {
	return slices.ContainsFunc(p.notRun, func(n notRun) bool { return strings.HasPrefix(c.text, n.command) })
}

// documentedPassword is that of the admin in every story.
const documentedPassword = "correct-horse-battery"

func which(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	require.NoError(t, err)
	path, err = filepath.Abs(path)
	require.NoError(t, err)
	return path
}

// TestBlocksInDocumentation looks at what is not run: every block says in which language
// it is, none hides a command, and a reason that names a test names one that is there.
func TestBlocksInDocumentation(t *testing.T) {
	hidden := regexp.MustCompile(`(?m)^\s*(\$ |(\./)?dockit (api-server|rbac|run|init-container|backup|restore|migrate|health)\b|docker (login|push|pull|compose|run) )`)
	for page, blocks := range pagesOf(t) {
		for _, b := range blocks {
			assert.Contains(t, languages, b.language, "%s:%d: the language of this block", page, b.line)
			if b.language == "text" && !strings.HasPrefix(page, generated) {
				assert.NotRegexp(t, hidden, b.content, "%s:%d: this is to be run: write sh or console", page, b.line)
			}
		}
	}
	tests := testsOf(t)
	named := regexp.MustCompile(`\bTest[A-Z]\w*`)
	for page, story := range stories {
		reasons := []string{story.why}
		for _, n := range story.notRun {
			assert.NotEmpty(t, n.why, "%s: %s", page, n.command)
			reasons = append(reasons, n.why)
		}
		for _, reason := range reasons {
			for _, name := range named.FindAllString(reason, -1) {
				assert.True(t, tests[name], "%s: there is no %s", page, name)
			}
		}
	}
}

// testsOf are the names of all tests of the repository.
func testsOf(t *testing.T) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	tests := make(map[string]bool)
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "bin" || entry.Name() == ".git"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		content, err := os.ReadFile(path)
		for _, match := range declared.FindAllSubmatch(content, -1) {
			tests[string(match[1])] = true
		}
		return err
	}))
	return tests
}

// TestCommandsAreFound has a command of each kind.
func TestCommandsAreFound(t *testing.T) {
	blocks := blocksOf([]byte("# A\n\n```sh\n# why\none \\\n  more # c\n\ntwo <<EOF\na\nEOF\nthree\n```\n\n- a list:\n\n  ```console\n  $ four\n  shown\n  $ five\n  ```\n\n```\nsix\n```\n"))
	require.Len(t, blocks, 3)
	assert.Empty(t, blocks[2].language)
	shown, none := "shown\n", ""
	assert.Equal(t, []command{
		{line: 5, text: "one \\\n  more # c"}, {line: 8, text: "two <<EOF\na\nEOF"}, {line: 11, text: "three"},
	}, commandsOf(blocks[0]))
	assert.Equal(t, []command{{line: 17, text: "four", output: &shown}, {line: 19, text: "five", output: &none}}, commandsOf(blocks[1]))
	p := storyOfPage{instead: [][2]string{{"ID", "7"}}}
	assert.Equal(t, `cp /x/etc/a "/x/data/b" /usr/c 7 http://h:1/v2`, p.runnable(`cp /etc/a "/data/b" /usr/c ID https://auth.example.com/v2`, "/x", "h:1"))
}
