package page

import (
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/dockit-registry/dockit/internal/cli/rbac"
	"github.com/dockit-registry/dockit/subject"
)

// buttons say by which command, or call of the admin API, something is done that a form does: for the address of the form, $1 and
// so on being of that, {name} a field of the form, and KIND the kind of the address.
var buttons = []struct {
	action, command string
	// once is set where the command stands once for the whole list, about one line of it.
	once bool
}{
	{`users`, "dockit rbac add user:alice --password-stdin", false},
	{`robots`, "dockit rbac add robot:ci", false},
	{`groups`, "dockit rbac add group:dev", false},
	{`(user|robot|group)s/(\w+)/(enable|disable)`, "dockit rbac $3 $1:$2", false},
	{`(issuer|binding)s/([\w-]+)/(enable|disable|refresh|remove)`, "dockit rbac $1 $3 $2", false},
	{`users/(\w+)/make-admin`, `curl --user root --request PATCH https://dockit.example.com/dockit/api/v1/users/$1 --header 'Content-Type: application/json' --data '{"admin":true}'`, false},
	{`users/(\w+)/unmake-admin`, `curl --user root --request PATCH https://dockit.example.com/dockit/api/v1/users/$1 --header 'Content-Type: application/json' --data '{"admin":false}'`, false},
	{`(user|robot|group)s/(\w+)/remove`, "dockit rbac remove $1:$2", false},
	{`(\w+)s/(\w+)/permissions`, "dockit rbac grant $1:$2 {permission}", false},
	{`users/(\w+)/password`, "dockit rbac change-password user:$1 --password-stdin", false},
	{`groups/(\w+)/members`, "dockit rbac add-member group:$1 user:alice", false},
	{`groups/(\w+)/members/remove`, "dockit rbac remove-member group:$1 {member}", true},
	{`(\w+)s/(\w+)/credentials`, "dockit rbac token create $1:$2 --name laptop --expires 90d", false},
	{`\w+/\w+/credentials/(\w+)/rotate`, "dockit rbac token rotate $1", false},
	{`\w+/\w+/credentials/(\w+)/end`, "dockit rbac token revoke $1", false},
	{`\w+/\w+/logins/(\w+)/end`, "dockit rbac token revoke $1", true},
	{`users/(\w+)/logins/end`, "dockit rbac token revoke user:$1 --logins", false},
	{`robots/(\w+)/logins/end`, "dockit rbac token revoke robot:$1 --sessions", false},
	{`tokens/(\w+)/end`, "dockit rbac token revoke $1", false},
	{`credentials`, "dockit rbac token create user:root --name laptop --expires 90d", false},
	{`credentials/(\w+)/end`, "dockit rbac token revoke $1", false},
	{`sessions/(\w+)/end`, "dockit rbac token revoke $1", true},
	{`sessions/end`, "dockit rbac token revoke user:root --logins", false},
	{`password`, "dockit rbac change-password user:root", false},
	{`state/plan`, "dockit rbac plan -f state.yaml", false},
	{`keys/examine`, "dockit rbac pki doctor --registry", false},
	{`repositories/delete`, "crane delete registry.example.com/{name}@{digest}", false},
	{`keys/rotate`, "dockit rbac pki rotate --service registry.example.com", false},
	{`keys/rotate-authority`, "dockit rbac pki rotate-ca", false},
	{`keys/(\w[\w-]*)/revoke`, "dockit rbac pki revoke $1", false},
	{`new-issuer/github`, "dockit rbac issuer add github --kind github", false},
	{`try-token`, "dockit rbac issuer try token.jwt", false},
	{`new-binding/(\w+)`, "dockit rbac binding add app-main --issuer $1", false},
	{`lockouts/clear`, "dockit rbac lockouts clear user:{name} --network {network}", true},
}

// TestEachButtonHasACommand guards that a page says for each of its buttons by which command the same is done, about the same, and
// that there is such a command.
func TestEachButtonHasACommand(t *testing.T) {
	f, _ := federated(t)
	f.make("group:dev")
	for _, member := range []string{"bob", "alice"} {
		_, err := f.store.AddMember(t.Context(), subject.Ref{Kind: subject.Group, Name: "dev"}, userRef(member))
		require.NoError(t, err)
		f.signedIn(member)
		f.token("user:"+member, "laptop", "")
	}
	f.token("robot:ci", "deploy", "")
	f.token("user:root", "own", "")
	f.exec(`INSERT INTO sessions (id, kind, subject_id, binding_id, service, hash, scopes, claims, job, created_at, expires_at, last_used_at)
		SELECT 'abcdefghijkl', 'refresh', s.id, b.id, 'registry.example.com', x'00', '', '[]', '[]', unixepoch() * 1000000, 9000000000000000, 1
		FROM subjects s, bindings b WHERE s.name = 'ci'`)
	for range 3 {
		f.browser().post("sign-in", "name", "alice", "password", "not the password")
	}
	b := f.signedIn("root")
	key := regexp.MustCompile(`keys/\w[\w-]*/revoke`).FindString(b.get("keys").Body.String())
	pages := []string{
		"", "credentials", "sessions", "password", "repositories/access?name=team/app&subject=user:bob", "lockouts", key,
		"users/root", "tokens?unused=yes", "keys", "audit", "audit/verify", "audit/1",
	}
	for _, route := range trustRoutes {
		if route.method == "Get" && !strings.Contains(route.path, "KEY") {
			pages = append(pages, route.path)
		}
	}
	pages = append(pages, adminPages...)
	walked := walk{map[string]bool{}, map[string]bool{}}
	walked.through(t, b, pages)

	f, registry := withRegistry(t)
	registry.Image("team/app", "1.0", "2026-01-01T00:00:00Z")
	f.grant("root", "repository:team/app:pull,delete")
	walked.through(t, f.signedIn("root"), []string{"keys", "repositories/delete?name=team/app&tag=1.0", "repositories/access?name=team/app"})

	for _, button := range buttons {
		assert.True(t, walked.seen[button.action], "%s is on no page", button.action)
	}
	for command := range walked.commands {
		if arguments, is := strings.CutPrefix(command, "dockit rbac "); is {
			assertParses(t, arguments)
		}
	}
	assert.Greater(t, len(walked.commands), 60)
}

// walk is what was seen of pages: which of the buttons, and commands.
type walk struct{ seen, commands map[string]bool }

func (w walk) through(t *testing.T, b *browser, pages []string) {
	t.Helper()
	for _, path := range pages {
		if path == "state/download" {
			continue
		}
		answer := b.get(path)
		require.Equal(t, http.StatusOK, answer.Code, path)
		document, err := html.Parse(answer.Body)
		require.NoError(t, err, path)
		shown, names := copied(document)
		for _, command := range shown {
			w.commands[command] = true
		}
		assert.Len(t, names, len(shown), "%s: buttons that copy are called the same: %v", path, names)
		listed := map[string]bool{}
		for _, form := range posted(document) {
			at, command := commandFor(form)
			if !assert.GreaterOrEqual(t, at, 0, "%s: no command is known for the form %s", path, form.action) {
				continue
			}
			action := buttons[at].action
			if buttons[at].once {
				listed[action] = listed[action] || has(shown, command)
			} else {
				assert.True(t, has(shown, command), "%s: %s of %v: %s\nis not in %s", path, form.action, form.fields, command, strings.Join(shown, "\n"))
			}
			w.seen[action] = true
		}
		for action, is := range listed {
			assert.True(t, is, "%s: %s of no line is in %s", path, action, strings.Join(shown, "\n"))
		}
	}
}

// form is one that changes something.
type form struct {
	action string // below the root
	fields map[string]string
}

// posted are the forms of a page that change something, without that for signing out.
func posted(page *html.Node) []form {
	var found []form
	for node := range page.Descendants() {
		if node.Data != "form" || attribute(node, "method") != "post" || attribute(node, "action") == "/dockit/sign-out" {
			continue
		}
		one := form{strings.TrimPrefix(attribute(node, "action"), "/dockit/"), map[string]string{}}
		for field := range node.Descendants() {
			if field.Data == "input" {
				one.fields[attribute(field, "name")] = attribute(field, "value")
			}
		}
		found = append(found, one)
	}
	return found
}

func attribute(node *html.Node, key string) string {
	for _, attribute := range node.Attr {
		if attribute.Key == key {
			return attribute.Val
		}
	}
	return ""
}

// copied are the texts of a page that can be copied, and the names of the buttons for that.
func copied(page *html.Node) (texts []string, names map[string]bool) {
	names = map[string]bool{}
	for node := range page.Descendants() {
		if text, is := strings.CutPrefix(textOf(node), "Or: "); is && node.Data == "p" {
			texts = append(texts, text) // in a line of a list, where there is no room for a button
			names["of the line: "+text] = true
		}
		if attribute(node, "class") != "copy" {
			continue
		}
		for part := range node.Descendants() {
			switch part.Data {
			case "code":
				texts = append(texts, textOf(part))
			case "button":
				names[textOf(part)] = true
			}
		}
	}
	return texts, names
}

func textOf(node *html.Node) string {
	var text strings.Builder
	for part := range node.Descendants() {
		if part.Type == html.TextNode {
			text.WriteString(part.Data)
		}
	}
	return text.String()
}

// commandFor is which of the buttons a form is, or -1, and the command that does the same.
func commandFor(f form) (int, string) {
	for i, button := range buttons {
		pattern := regexp.MustCompile("^" + button.action + "$")
		at := pattern.FindStringSubmatchIndex(f.action)
		if at == nil {
			continue
		}
		command := string(pattern.ExpandString(nil, button.command, f.action, at))
		for name, value := range f.fields {
			command = strings.ReplaceAll(command, "{"+name+"}", value)
		}
		return i, command
	}
	return -1, ""
}

// has reports whether a command is among others, which may say more than it.
func has(shown []string, command string) bool {
	for _, one := range shown {
		if one == command || strings.HasPrefix(one, command+" ") {
			return true
		}
	}
	return false
}

// assertParses has the command line read what follows dockit rbac, as a shell hands it on.
func assertParses(t *testing.T, text string) {
	t.Helper()
	shell, err := exec.LookPath("sh")
	require.NoError(t, err)
	words, err := exec.CommandContext(t.Context(), shell, "-c", "printf '%s\\0' "+text).Output()
	require.NoError(t, err, text)
	arguments := strings.Split(strings.TrimSuffix(string(words), "\x00"), "\x00")
	cmd, rest, err := rbac.NewCommand().Find(arguments)
	require.NoError(t, err, text)
	require.True(t, !cmd.HasSubCommands() || cmd.Name() == "audit", "there is no command %s", text)
	require.NoError(t, cmd.ParseFlags(rest), text)
	require.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()), text)
	require.NoError(t, cmd.ValidateRequiredFlags(), text)
}

// TestButtonsOfACredentialAreNamed guards that who hears them knows what each copies.
func TestButtonsOfACredentialAreNamed(t *testing.T) {
	b := newFixture(t).signedIn("alice")
	answer := b.post("credentials", "name", "laptop", "scope", "all", "days", "30")
	require.Equal(t, http.StatusCreated, answer.Code)
	document, err := html.Parse(answer.Body)
	require.NoError(t, err)
	texts, names := copied(document)
	assert.Len(t, names, len(texts), fmt.Sprint(names))
	assert.True(t, names["Copy config.json"])
	assert.False(t, names["Copy "])
}
