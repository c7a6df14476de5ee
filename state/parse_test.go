package state_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/internal/statetest"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

func parse(t *testing.T, text string) *state.Document {
	t.Helper()
	d, err := state.Parse(strings.NewReader(text))
	require.NoError(t, err)
	return d
}

func TestParse(t *testing.T) {
	const hash = "$2y$10$zv3ew7VvyUrXHYCOFGs39OEuF.7XWWj8pGMMwMTHYO6BJGzyzwgHq"
	d := parse(t, `
# Everything that a document can say.
version: dockit/v1
groups:
  - name: dev
    members: [robot:ci, "user:alice"]
    permissions:
      - repository:team/**:push
      - "namespace:team:*"
users:
  - name: bob
    disabled: true
  - {name: alice, admin: true, password_hash: `+hash+`}
  - name: anonymous
    permissions: ["repository:public/*:pull"]
robots:
  - name: "007"
  - name: ci
`)
	want := &state.Document{Subjects: []state.Subject{
		{Ref: subject.Ref{Kind: subject.User, Name: "alice"}, Admin: true, PasswordHash: hash},
		{Ref: subject.Anonymous, Permissions: []access.Permission{{Type: access.Repository, Name: "public/*", Actions: access.Pull}}},
		{Ref: subject.Ref{Kind: subject.User, Name: "bob"}, Disabled: true},
		{Ref: subject.Ref{Kind: subject.Robot, Name: "007"}},
		{Ref: subject.Ref{Kind: subject.Robot, Name: "ci"}},
		{
			Ref:     subject.Ref{Kind: subject.Group, Name: "dev"},
			Members: []subject.Ref{{Kind: subject.User, Name: "alice"}, {Kind: subject.Robot, Name: "ci"}},
			Permissions: []access.Permission{
				{Type: access.Namespace, Name: "team", Actions: access.All},
				{Type: access.Repository, Name: "team/**", Actions: access.Push},
			},
		},
	}}
	assert.Equal(t, want, d)
}

// refused is one document for each rule of the format. Those that the JSON
// Schema cannot refuse say so.
var refused = []struct {
	name     string
	text     string
	want     string
	noSchema bool
}{
	{name: "nothing", text: "", want: "empty", noSchema: true},
	{name: "only a comment", text: "# nothing\n", want: "empty", noSchema: true},
	{name: "no YAML", text: "version: dockit/v1\nusers: [", want: "line 2", noSchema: true},
	{name: "a list", text: "- version: dockit/v1\n", want: "line 1: the document must be written as fields with values, not as a list"},
	{name: "no version", text: "users: []\n", want: "line 1: the version is missing: write version: dockit/v1"},
	{name: "another version", text: "version: dockit/v9\n", want: "line 1: unknown version: this Dockit reads dockit/v1"},
	{name: "two documents", text: "version: dockit/v1\n---\nversion: dockit/v1\n", want: "line 2: a second document", noSchema: true},
	{name: "unknown section", text: "version: dockit/v1\nteams: []\n", want: `line 2: the document: unknown field "teams"`},
	{name: "section twice", text: "version: dockit/v1\nusers: []\nusers: []\n", want: `line 3: the document: field "users" is given twice, first in line 2`, noSchema: true},
	{name: "section without a list", text: "version: dockit/v1\nusers:\n  name: alice\n", want: "line 3: users must be a list, not fields with values"},
	{name: "empty section", text: "version: dockit/v1\nusers:\n", want: "line 2: users must be a list, not nothing: write [] for none"},
	{name: "entry without fields", text: "version: dockit/v1\nusers:\n  - alice\n", want: "line 3: a user must be written as fields with values, not as text"},
	{name: "entry without a name", text: "version: dockit/v1\nusers:\n  - admin: true\n", want: "line 3: user: the name is missing"},
	{name: "number as name", text: "version: dockit/v1\nrobots:\n  - name: 007\n", want: "line 3: robot: name must be text, not a number: put it in quotes"},
	{name: "truth value as name", text: "version: dockit/v1\nrobots:\n  - name: true\n", want: "put it in quotes"},
	{name: "name outside the grammar", text: "version: dockit/v1\nusers:\n  - name: Alice\n", want: "line 3: user:Alice: name: invalid name"},
	{name: "name of a built-in", text: "version: dockit/v1\nrobots:\n  - name: anonymous\n", want: "belongs to user:anonymous, which is built in", noSchema: true},
	{name: "unknown field", text: "version: dockit/v1\nusers:\n  - name: alice\n    admn: true\n", want: `line 4: user:alice: unknown field "admn"`},
	{name: "field twice", text: "version: dockit/v1\nusers:\n  - name: alice\n    admin: true\n    admin: false\n", want: `line 5: user:alice: field "admin" is given twice, first in line 4`, noSchema: true},
	{name: "merge key", text: "version: dockit/v1\nusers:\n  - name: alice\n    <<: {admin: true}\n", want: `unknown field "<<"`, noSchema: true},
	{name: "alias", text: "version: dockit/v1\nusers:\n  - name: alice\n    permissions: &p [\"repository:a:pull\"]\n  - name: bob\n    permissions: *p\n", want: "line 6: user:bob: permissions must be a list, not an alias", noSchema: true},
	{name: "tag", text: "version: dockit/v1\nusers:\n  - name: !!binary YWxpY2U=\n", want: "must be text", noSchema: true},
	{name: "yes for true", text: "version: dockit/v1\nusers:\n  - name: alice\n    admin: yes\n", want: "line 4: user:alice: admin must be true or false", noSchema: true},
	{name: "flag in quotes", text: "version: dockit/v1\nusers:\n  - name: alice\n    disabled: \"true\"\n", want: "disabled must be true or false, not text"},
	{name: "robot as admin", text: "version: dockit/v1\nrobots:\n  - name: ci\n    admin: true\n", want: "line 4: robot:ci: admin: only users can be admins"},
	{name: "robot with a password", text: "version: dockit/v1\nrobots:\n  - name: ci\n    password_hash: $2y$10$zv3ew7VvyUrXHYCOFGs39OEuF.7XWWj8pGMMwMTHYO6BJGzyzwgHq\n", want: "only users have passwords"},
	{name: "members of a user", text: "version: dockit/v1\nusers:\n  - name: alice\n    members: [\"robot:ci\"]\n", want: "only groups have members"},
	{name: "disabled built-in", text: "version: dockit/v1\nusers:\n  - name: anonymous\n    disabled: true\n", want: "line 4: user:anonymous: disabled: a built-in subject takes permissions only", noSchema: true},
	{name: "members of everyone", text: "version: dockit/v1\ngroups:\n  - name: authenticated\n    members: [\"user:alice\"]\n", want: "nobody can be put in", noSchema: true},
	{name: "empty hash", text: "version: dockit/v1\nusers:\n  - name: alice\n    password_hash: \"\"\n", want: "leave it out to keep the password as it is"},
	{name: "unusable hash", text: "version: dockit/v1\nusers:\n  - name: alice\n    password_hash: hunter2-in-clear\n", want: "line 4: user:alice: password_hash: unusable password hash"},
	{name: "hash of too much work", text: "version: dockit/v1\nusers:\n  - name: alice\n    password_hash: $2y$12$zv3ew7VvyUrXHYCOFGs39OEuF.7XWWj8pGMMwMTHYO6BJGzyzwgHq\n", want: "bcrypt 12 takes 10 times as much as a hash made by Dockit, at most 4 times is allowed (bcrypt up to 10, argon2id up to m·t=124518): leave it out, which keeps the password as it is, and set a new one", noSchema: true},
	{name: "costly hash", text: "version: dockit/v1\nusers:\n  - name: alice\n    password_hash: $2y$31$zv3ew7VvyUrXHYCOFGs39OEuF.7XWWj8pGMMwMTHYO6BJGzyzwgHq\n", want: "bcrypt cost 31", noSchema: true},
	{name: "member without a kind", text: "version: dockit/v1\ngroups:\n  - name: dev\n    members: [alice]\n", want: "line 4: group:dev: members: invalid kind of subject"},
	{name: "group in a group", text: "version: dockit/v1\ngroups:\n  - name: dev\n    members: [\"group:qa\"]\n", want: "groups have users and robots as members, nothing else"},
	{name: "member twice", text: "version: dockit/v1\ngroups:\n  - name: dev\n    members:\n      - user:a\n      - user:a\n", want: "line 6: group:dev: members: user:a is listed twice"},
	{name: "anonymous as member", text: "version: dockit/v1\ngroups:\n  - name: dev\n    members: [\"user:anonymous\"]\n", want: "cannot be a member", noSchema: true},
	{name: "permission outside the syntax", text: "version: dockit/v1\nusers:\n  - name: alice\n    permissions:\n      - repository:a:pull\n      - repository:a:write\n", want: `line 6: user:alice: permissions: invalid permission "repository:a:write"`},
	{name: "permission as fields", text: "version: dockit/v1\nusers:\n  - name: alice\n    permissions:\n      - repository: a\n", want: "permissions must be text, not fields with values"},
	{name: "permission twice", text: "version: dockit/v1\nusers:\n  - name: alice\n    permissions:\n      - repository:a:pull\n      - repository:a:delete\n", want: "line 6: user:alice: permissions: repository:a:pull and repository:a:delete are about the same: write repository:a:pull,delete", noSchema: true},
	{name: "subject twice", text: "version: dockit/v1\nusers:\n  - name: alice\n  - name: alice\n", want: "line 4: user:alice is listed twice", noSchema: true},
	{name: "name of another kind", text: "version: dockit/v1\nusers:\n  - name: ci\nrobots:\n  - name: ci\n", want: "line 5: robot:ci has the name of user:ci", noSchema: true},
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range refused {
		t.Run(tc.name, func(t *testing.T) {
			d, err := state.Parse(strings.NewReader(tc.text))
			require.ErrorIs(t, err, state.ErrInvalid)
			assert.Nil(t, d)
			assert.Contains(t, err.Error(), tc.want)
			assert.NotContains(t, err.Error(), "hunter2", "a secret in an error")
		})
	}
}

func TestParseReportsEveryFault(t *testing.T) {
	_, err := state.Parse(strings.NewReader("version: dockit/v1\nusers:\n  - name: Alice\n  - name: bob\n    permissions: [repository:a]\n"))
	var parseError *state.ParseError
	require.ErrorAs(t, err, &parseError)
	require.Len(t, parseError.Faults, 2)
	assert.Equal(t, []int{3, 5}, []int{parseError.Faults[0].Line, parseError.Faults[1].Line})
	require.ErrorIs(t, err, subject.ErrInvalidName)
	require.ErrorIs(t, err, access.ErrInvalidPermission)
	assert.Equal(t, 3, strings.Count(err.Error(), "\n")+1, "each fault on its own line: %v", err)

	_, err = state.Parse(strings.NewReader("version: dockit/v1\nusers:\n" + strings.Repeat("  - name: A\n", 1000)))
	require.ErrorAs(t, err, &parseError)
	assert.Len(t, parseError.Faults, 20)
	assert.True(t, parseError.More)
}

func TestParseTooLarge(t *testing.T) {
	for name, text := range map[string]string{
		"bytes": "version: dockit/v1\n#" + strings.Repeat("x", state.DefaultMaxSize),
		"items": "version: dockit/v1\nusers: [" + strings.Repeat("a,", 1<<20) + "]\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := state.Parse(strings.NewReader(text))
			require.ErrorIs(t, err, state.ErrTooLarge)
			require.ErrorIs(t, err, state.ErrInvalid)
		})
	}
}

func TestParseReadError(t *testing.T) {
	_, err := state.Parse(errorReader{})
	require.ErrorIs(t, err, errRead)
}

var errRead = errors.New("gone")

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, errRead }

// Whatever is written reads back as it was, in both formats, and in the same
// bytes every time.
func TestWriteAndParse(t *testing.T) {
	hash, err := password.Hash("correct horse battery staple")
	require.NoError(t, err)
	for seed := range uint64(300) {
		d := statetest.Document(rand.New(rand.NewPCG(seed, 1)))
		for i := range d.Subjects {
			if s := &d.Subjects[i]; s.Ref.Kind == subject.User && !s.Ref.BuiltIn() && i%2 == 0 {
				s.PasswordHash = hash
			}
		}
		for _, format := range []state.Format{state.YAML, state.JSON} {
			text, err := d.Bytes(format)
			require.NoError(t, err)
			back, err := state.Parse(strings.NewReader(string(text)))
			require.NoError(t, err, "seed %d:\n%s", seed, text)
			require.Equal(t, d, back, "seed %d:\n%s", seed, text)
			again, err := back.Bytes(format)
			require.NoError(t, err)
			require.Equal(t, string(text), string(again))
		}
	}
}

func TestWriteFormats(t *testing.T) {
	d, err := state.Parse(mustOpen(t, "testdata/all.yaml"))
	require.NoError(t, err)
	for _, format := range []state.Format{state.YAML, state.JSON} {
		got, err := d.Bytes(format)
		require.NoError(t, err)
		want, err := os.ReadFile(filepath.Join("testdata", "canonical."+string(format)))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got))
	}
}

func mustOpen(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestWriterRefusesDisorder(t *testing.T) {
	w := state.NewWriter(&strings.Builder{}, state.YAML)
	require.NoError(t, w.Write(state.Subject{Ref: subject.Ref{Kind: subject.Group, Name: "dev"}}))
	require.Error(t, w.Write(state.Subject{Ref: subject.Ref{Kind: subject.Group, Name: "dev"}}), "the same again")
	require.Error(t, w.Write(state.Subject{Ref: subject.Ref{Kind: subject.User, Name: "zoe"}}), "a user after a group")
}

func TestWriterReportsFailedWrites(t *testing.T) {
	w := state.NewWriter(errorWriter{}, state.JSON)
	require.NoError(t, w.Write(state.Subject{Ref: subject.Ref{Kind: subject.Group, Name: "dev"}}))
	require.ErrorIs(t, w.Close(), errRead)
}

type errorWriter struct{}

func (errorWriter) Write([]byte) (int, error) { return 0, errRead }

func FuzzParse(f *testing.F) {
	for _, tc := range refused {
		f.Add(tc.text)
	}
	for seed := range uint64(3) {
		text, err := statetest.Document(rand.New(rand.NewPCG(seed, 2))).Bytes(state.YAML)
		require.NoError(f, err)
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := state.Parse(strings.NewReader(text))
		if err != nil {
			require.ErrorIs(t, err, state.ErrInvalid)
			return
		}
		require.NoError(t, d.Validate())
		written, err := d.Bytes(state.YAML)
		require.NoError(t, err)
		back, err := state.Parse(strings.NewReader(string(written)))
		require.NoError(t, err, "%s", written)
		again, err := back.Bytes(state.YAML)
		require.NoError(t, err)
		require.Equal(t, string(written), string(again))
	})
}
