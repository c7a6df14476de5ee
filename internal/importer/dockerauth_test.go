package importer_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/importer"
	"github.com/dockit-registry/dockit/state"
)

func TestDockerAuthFiles(t *testing.T) {
	checkFiles(t, "docker-auth/*.yml", func(r io.Reader) (*importer.Result, error) {
		return importer.DockerAuth(r, importer.DockerAuthOptions{})
	})
}

// users are the accounts of most cases.
const users = `users:
  alice: {password: "$2y$05$eW2ITzt1mNeuRJNl9rPMsuKwBtXWNNWnJDNq6JJultlO/FvBkB9kC", labels: {team: [web, ops], role: [dev]}}
  bob: {password: "$2y$05$H7mn8RKeSkEdaTmRSgah4O.WVq7HMoo89cpRKTd9Su5iBMwlgQQ8W", labels: {team: [web]}}
  carol: {password: "$2y$05$QGEVc4Ei2t94GmIVy1Dq.uzUhRcQ5N5Ashz/T54z7LSRRQWhaLwxi"}
`

const withAnonymous = users + "  \"\": {}\n"

// carried lists the permissions of a document, each with its owner, and the
// members of groups.
func carried(d *state.Document) []string {
	list := []string{}
	for _, s := range d.Subjects {
		for _, p := range s.Permissions {
			list = append(list, s.Ref.String()+" "+p.String())
		}
		if len(s.Members) > 0 {
			var names []string
			for _, m := range s.Members {
				names = append(names, m.Name)
			}
			list = append(list, s.Ref.String()+" = "+strings.Join(names, " "))
		}
	}
	return list
}

func TestDockerAuthRules(t *testing.T) {
	for _, tc := range []struct {
		name    string
		users   string
		acl     string
		service string
		want    []string
		// finding is a part of what is reported; empty: nothing of severity warning
		// or error.
		finding string
	}{
		{name: "one account", acl: `[{match: {account: alice}, actions: ["*"]}]`, want: []string{"user:alice registry:catalog:*", "user:alice repository:**:*"}},
		{name: "everyone", acl: `[{match: {account: "/.+/"}, actions: [pull]}]`, want: []string{"group:authenticated repository:**:pull"}},
		{name: "everyone by glob", acl: `[{match: {account: "?*"}, actions: [pull]}]`, want: []string{"group:authenticated repository:**:pull"}},
		{name: "everyone without a condition", acl: `[{match: {}, actions: [pull]}]`, want: []string{"group:authenticated repository:**:pull"}},
		{name: "anonymous", users: withAnonymous, acl: `[{match: {account: "", name: "public/*"}, actions: [pull]}, {match: {}, actions: [pull]}]`, want: []string{"user:anonymous repository:**:pull", "user:anonymous repository:public/*:pull"}},
		{name: "anonymous that cannot log in", acl: `[{match: {account: "", name: "public/*"}, actions: [pull]}]`, want: []string{}, finding: "applies to none of the users in this file"},
		{
			name: "anonymous may more than accounts", users: withAnonymous, acl: `[{match: {account: bob}, actions: []}, {match: {name: "public/*"}, actions: [pull]}]`,
			want: []string{"user:anonymous repository:public/*:pull"}, finding: "also counts for bob, who had less when logged in",
		},
		{name: "own corner", acl: `[{match: {account: "/.+/", name: "${account}/*"}, actions: ["*"]}]`, want: []string{"group:authenticated repository:{username}/*:*"}},
		{name: "own corner of one", acl: `[{match: {account: bob, name: "${account}/*"}, actions: ["*"]}]`, want: []string{"user:bob repository:bob/*:*"}},
		{
			name: "own corner and everything", acl: `[{match: {account: "/.+/", name: "${account}/*"}, actions: ["*"]}, {match: {account: "/.+/"}, actions: [pull]}]`,
			want: []string{"group:authenticated repository:**:pull", "group:authenticated repository:{username}/*:*"},
		},
		{
			name: "first match", acl: `[{match: {account: "/.+/"}, actions: [pull]}, {match: {account: bob}, actions: ["*"]}]`,
			want: []string{"group:authenticated repository:**:pull"},
		},
		{name: "catalog", acl: `[{match: {account: "/.+/", type: registry, name: catalog}, actions: ["*"]}]`, want: []string{"group:authenticated registry:catalog:*"}},
		{name: "catalog for one", acl: `[{match: {account: bob, type: registry}, actions: ["*"]}]`, want: []string{"user:bob registry:catalog:*"}},
		{name: "no catalog with pull", acl: `[{match: {account: bob, type: registry}, actions: [pull]}]`, want: []string{}},
		{name: "repositories only", acl: `[{match: {account: bob, type: repository}, actions: ["*"]}]`, want: []string{"user:bob repository:**:*"}},
		{name: "denied catalog", acl: `[{match: {type: registry}, actions: []}, {match: {account: bob}, actions: ["*"]}]`, want: []string{"user:bob repository:**:*"}},
		{
			name: "denied account", acl: `[{match: {account: bob}, actions: []}, {match: {account: "/.+/"}, actions: [pull]}]`,
			want: []string{"group:acl-rule-2 repository:**:pull", "group:acl-rule-2 = alice carol"},
		},
		{
			name: "denied names", acl: `[{match: {name: "secret/*"}, actions: []}, {match: {account: alice}, actions: ["*"]}]`,
			want: []string{"user:alice registry:catalog:*"}, finding: "nothing is carried over for alice: rule 1 comes first and gives less on some of these repositories; permissions only add up, and have no exceptions: grant by hand what is meant: rbac grant user:alice 'repository:NAME:*'",
		},
		{
			name: "less comes first", acl: `[{match: {name: "release/*"}, actions: [pull]}, {match: {account: alice}, actions: ["*"]}]`,
			want:    []string{"user:alice registry:catalog:*", "user:alice repository:**:pull", "group:authenticated repository:release/*:pull"},
			finding: "only pull is carried over for alice: rule 1 comes first",
		},
		{
			name: "denied elsewhere", acl: `[{match: {name: "secret/*"}, actions: []}, {match: {account: alice, name: "web/*"}, actions: ["*"]}]`,
			want: []string{"user:alice repository:web/*:*"},
		},
		{name: "glob with two stars", acl: `[{match: {account: bob, name: "team/**"}, actions: [pull]}]`, want: []string{"user:bob repository:team/*:pull"}},
		{name: "glob of one component", acl: `[{match: {account: bob, name: "*"}, actions: [pull]}]`, want: []string{"user:bob repository:*:pull"}},
		{name: "glob with a class", acl: `[{match: {account: bob, name: "team-[ab]/x"}, actions: [pull]}]`, want: []string{}, finding: `not carried over for bob: its name "team-[ab]/x" cannot be said with *, ** and {username}: grant by hand what is meant: rbac grant user:bob 'repository:NAME:pull'`},
		{name: "glob with a single character", acl: `[{match: {account: bob, name: "v?"}, actions: [pull]}]`, want: []string{}, finding: "cannot be said with *, **"},
		{name: "glob with a port", acl: `[{match: {account: bob, name: "host:5000/*"}, actions: [pull]}]`, want: []string{"user:bob repository:host:5000/*:pull"}, finding: "a registry sees *, without the host"},
		{name: "expression below a path", acl: `[{match: {account: bob, name: "/^team/.*$/"}, actions: [pull]}]`, want: []string{"user:bob repository:team/*/**:pull"}},
		{name: "expression with and below a path", acl: `[{match: {account: bob, name: "/^team(/.*)?$/"}, actions: [pull]}]`, want: []string{}, finding: "cannot be said with *, **"},
		{name: "expression for a prefix", acl: `[{match: {account: bob, name: "/^team-/"}, actions: [pull]}]`, want: []string{"user:bob repository:team-*/**:pull"}},
		{name: "expression anywhere", acl: `[{match: {account: bob, name: "/test/"}, actions: [pull]}]`, want: []string{}, finding: "cannot be said with *, **"},
		{name: "expression of one component", acl: `[{match: {account: bob, name: "/^team/[^/]+$/"}, actions: [pull]}]`, want: []string{"user:bob repository:team/*:pull"}},
		{name: "expression of alternatives", acl: `[{match: {account: bob, name: "/^(web|ops)/app$/"}, actions: [pull]}]`, want: []string{}, finding: "cannot be said with *, **"},
		{name: "expression with letters only", acl: `[{match: {account: bob, name: "/^[a-z]+/app$/"}, actions: [pull]}]`, want: []string{}, finding: "cannot be said with *, **"},
		{name: "expression with upper case", acl: `[{match: {account: bob, name: "/(?i)^TEAM/.*$/"}, actions: [pull]}]`, want: []string{}, finding: "cannot be said with *, **"},
		{name: "accounts by expression", acl: `[{match: {account: "/^(alice|bob)$/", name: "web/*"}, actions: [pull]}]`, want: []string{"group:acl-rule-1 repository:web/*:pull", "group:acl-rule-1 = alice bob"}},
		{
			name: "the same accounts twice", acl: `[{match: {account: "/^(alice|bob)$/", name: "web/*"}, actions: [pull]}, {match: {account: "/alice|bob/", name: "ops/*"}, actions: [pull]}]`,
			want: []string{"group:acl-rule-1 repository:ops/*:pull", "group:acl-rule-1 repository:web/*:pull", "group:acl-rule-1 = alice bob"},
		},
		{name: "label", acl: `[{match: {labels: {team: web}, name: "web/*"}, actions: [push, pull]}]`, want: []string{"group:web repository:web/*:pull,push", "group:web = alice bob"}},
		{name: "label by expression", acl: `[{match: {labels: {team: "/web|ops/"}}, actions: [pull]}]`, want: []string{"group:web repository:**:pull", "group:web = alice bob"}},
		{name: "label of one", acl: `[{match: {labels: {role: dev}}, actions: [pull]}]`, want: []string{"group:dev repository:**:pull", "group:dev = alice"}},
		{name: "two labels", acl: `[{match: {labels: {role: dev, team: web}}, actions: [pull]}]`, want: []string{"group:dev repository:**:pull", "group:dev = alice"}},
		{
			name: "label in the name", acl: `[{match: {name: "${labels:team}/*"}, actions: [push, pull]}]`,
			want: []string{"group:ops repository:ops/*:pull,push", "group:ops = alice", "group:web repository:web/*:pull,push", "group:web = alice bob"},
		},
		{
			name: "two labels in the name", acl: `[{match: {name: "${labels:team}/${labels:role}"}, actions: [pull]}]`,
			want: []string{"group:dev repository:ops/dev:pull", "group:dev repository:web/dev:pull", "group:dev = alice"},
		},
		{
			name: "capture of the account", users: "users:\n  \"eve@web\": {}\n  \"mallory@ops\": {}\n", acl: `[{match: {account: "/^.+@(.+)$/", name: "${account:1}/*"}, actions: [pull]}]`,
			want: []string{}, finding: "cannot be said with *, **",
		},
		{
			name: "capture of the name", acl: `[{match: {account: "${name:1}", name: "/^home/([^/]+)/.+$/"}, actions: ["*"]}]`,
			want: []string{"group:authenticated repository:home/{username}/*/**:*"},
		},
		{name: "capture that is no component", acl: `[{match: {account: "${name:1}", name: "/^(.+)-.+$/"}, actions: [pull]}]`, want: []string{}, finding: "cannot be said with *, **"},
		{name: "address", acl: `[{match: {ip: "127.0.0.0/8"}, actions: ["*"]}]`, want: []string{}, finding: "asks for the address of the client"},
		{
			name: "address in the way", acl: `[{match: {ip: "10.0.0.0/8"}, actions: [pull]}, {match: {account: bob}, actions: ["*"]}]`,
			want: []string{"user:bob repository:**:pull"}, finding: "only pull is carried over for bob: rule 1",
		},
		{
			name: "address before a denial", acl: `[{match: {ip: "10.0.0.0/8"}, actions: ["*"]}, {match: {account: bob}, actions: []}, {match: {account: "/.+/"}, actions: [pull]}]`,
			want: []string{"group:acl-rule-3 repository:**:pull", "group:acl-rule-3 = alice carol"}, finding: "rule 1: not carried over",
		},
		{
			name: "a denied account that is not there", acl: `[{match: {account: zoe}, actions: []}, {match: {account: "/.+/"}, actions: [pull]}]`,
			want: []string{"group:acl-rule-2 repository:**:pull", "group:acl-rule-2 = alice bob carol"},
		},
		{
			name: "a label that everyone has", users: "users:\n  alice: {password: x, labels: {a: [all]}}\n  bob: {password: x, labels: {a: [all]}}\n", acl: `[{match: {labels: {a: all}}, actions: [pull]}]`,
			want: []string{"group:all repository:**:pull", "group:all = alice bob"}, finding: "without a password",
		},
		{
			name: "a label with the name of a user", users: "users:\n  all: {password: x, labels: {team: [all]}}\n  bob: {password: x, labels: {team: [all]}}\n", acl: `[{match: {labels: {team: all}}, actions: [pull]}]`,
			want: []string{"group:team-all repository:**:pull", "group:team-all = all bob"}, finding: "without a password",
		},
		{
			name: "a label that is no name", users: "users:\n  a: {password: x, labels: {team: [\"The VIPs\"]}}\n  b: {password: x, labels: {team: [\"The VIPs\"]}}\n", acl: `[{match: {labels: {team: "The*"}}, actions: [pull]}]`,
			want: []string{"group:the-vips repository:**:pull", "group:the-vips = a b"}, finding: "without a password",
		},
		{
			name: "somebody could be called like a repository", acl: `[{match: {name: "web/*"}, actions: [pull]}, {match: {account: "/.+/", name: "${account}/*"}, actions: ["*"]}]`,
			want: []string{"group:acl-rule-2 repository:{username}/*:*", "group:acl-rule-2 = alice bob carol", "group:authenticated repository:web/*:pull", "group:authenticated repository:{username}/*:pull"},
		},
		{name: "service", acl: `[{match: {account: bob, service: "hub*"}, actions: [pull]}]`, want: []string{}, finding: "say with --service which one Dockit serves"},
		{name: "the service", acl: `[{match: {account: bob, service: "hub*"}, actions: [pull]}]`, service: "hub.example.com", want: []string{"user:bob repository:**:pull"}},
		{name: "another service", acl: `[{match: {account: bob, service: other}, actions: []}, {match: {account: bob}, actions: [pull]}]`, service: "hub", want: []string{"user:bob repository:**:pull"}},
		{name: "push without pull", acl: `[{match: {account: bob}, actions: [push]}]`, want: []string{}, finding: "push without pull"},
		{name: "star among others", acl: `[{match: {account: bob}, actions: ["*", pull]}]`, want: []string{"user:bob registry:catalog:*", "user:bob repository:**:pull"}, finding: "only the others are carried over"},
		{name: "unknown action", acl: `[{match: {account: bob}, actions: [pull, list]}]`, want: []string{"user:bob repository:**:pull"}, finding: `unknown actions "list"`},
		{name: "no actions", acl: `[{match: {account: bob}}]`, want: []string{}, finding: "it has no actions"},
		{name: "misspelt condition", acl: `[{match: {acount: bob}, actions: ["*"]}]`, want: []string{}, finding: `"acount" is no condition`},
		{name: "empty condition", acl: `[{match: {account: }, actions: ["*"]}]`, want: []string{}, finding: "account is empty"},
		{name: "an account that is not there", acl: `[{match: {account: zoe}, actions: ["*"]}]`, want: []string{}, finding: "who is not in this file: add the user: grant by hand what is meant: rbac grant user:zoe 'repository:**:*'"},
		{name: "broken glob", acl: `[{match: {account: bob, name: "[a"}, actions: [pull]}]`, want: []string{}, finding: "cannot be said"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.users == "" {
				tc.users = users
			}
			result, err := importer.DockerAuth(strings.NewReader(tc.users+"acl: "+tc.acl+"\n"), importer.DockerAuthOptions{Service: tc.service})
			require.NoError(t, err)
			assert.Equal(t, tc.want, carried(result.Document))
			told := findings(result)
			if tc.finding == "" {
				assert.NotContains(t, told, "warning: ")
				assert.NotContains(t, told, "error: ")
			} else {
				assert.Contains(t, told, tc.finding)
			}
		})
	}
}

func TestDockerAuthRefuses(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"nothing", "", "empty"},
		{"no YAML", "users: [", "line 1"},
		{"another file", "server: {addr: \":5001\"}\n", "neither users nor an acl"},
		{"a list", "- a\n", "fields with values"},
		{"users as a list", "users: [alice]\n", "line 1: users must be fields"},
		{"user twice", "users:\n  a: {}\n  a: {}\n", `line 3: users: "a" is given twice, first in line 2`},
		{"labels as text", "users:\n  a: {labels: {x: y}}\n", "line 2: user \"a\": label x must be a list"},
		{"acl as fields", "acl: {a: b}\n", "line 1: acl must be a list"},
		{"rule without match", "acl:\n  - actions: [pull]\n", "line 2: rule 1 has no match"},
		{"actions as text", "acl:\n  - {match: {}, actions: pull}\n", "line 2: rule 1: actions must be a list"},
		{"broken expression", "acl:\n  - {match: {name: \"/(/\"}, actions: [pull]}\n", "line 2: rule 1: name"},
		{"broken expression for a label", "acl:\n  - {match: {labels: {a: \"/(/\"}}, actions: [pull]}\n", "line 2: rule 1: label a"},
		{"merge key", "users:\n  a: {<<: {labels: {team: [b]}}}\nacl: []\n", "merge keys"},
		{"alias in an alias", "a: &a [x]\nb: &b [*a]\nacl: *b\n", "alias within an alias"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			result, err := importer.DockerAuth(strings.NewReader(tc.text), importer.DockerAuthOptions{})
			require.ErrorIs(t, err, importer.ErrInvalid)
			assert.Contains(t, err.Error(), tc.want)
			assert.Nil(t, result)
		})
	}
	t.Run("a file that cannot be read", func(t *testing.T) {
		_, err := importer.DockerAuth(errorReader{}, importer.DockerAuthOptions{})
		require.ErrorIs(t, err, errRead)
	})
}

func FuzzDockerAuth(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "docker-auth", "*.yml"))
	require.NoError(f, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(string(text), "")
	}
	f.Add(withAnonymous+"acl: [{match: {account: \"${name:1}\", name: \"/^a/([^/]+)/\"}, actions: [\"*\"]}]\n", "hub")
	f.Fuzz(func(t *testing.T, text, service string) {
		result, err := importer.DockerAuth(strings.NewReader(text), importer.DockerAuthOptions{Service: service})
		if err != nil {
			require.ErrorIs(t, err, importer.ErrInvalid)
			return
		}
		written, err := result.Document.Bytes(state.YAML)
		require.NoError(t, err)
		_, err = state.Parse(strings.NewReader(string(written)))
		require.NoError(t, err)
	})
}

// A thousand users and fifty rules are no more than a moment's work.
func BenchmarkDockerAuth(b *testing.B) {
	var text strings.Builder
	text.WriteString("users:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  user-%d: {password: x, labels: {team: [team-%d, all]}}\n", i, i%20)
	}
	text.WriteString("acl:\n  - {match: {account: \"/.+/\", name: \"${account}/*\"}, actions: [\"*\"]}\n  - {match: {name: \"${labels:team}/*\"}, actions: [push, pull]}\n")
	for i := range 50 {
		fmt.Fprintf(&text, "  - {match: {account: \"/^user-%d/\", name: \"/^project-%d/.*$/\"}, actions: [pull]}\n", i, i)
	}
	for b.Loop() {
		_, err := importer.DockerAuth(strings.NewReader(text.String()), importer.DockerAuthOptions{})
		require.NoError(b, err)
	}
}
