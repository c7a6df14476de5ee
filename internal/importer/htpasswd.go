package importer

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// HTPasswd reads the users of an htpasswd file: a name, a colon and a hash on
// each line. bcrypt hashes are kept, which are the only ones that registries
// take. Users whose hash is of another kind come without a password.
//
// Users come without permissions: the file has none.
func HTPasswd(r io.Reader) (*Result, error) {
	data, err := readAll(r)
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, fmt.Errorf("%w: it is no text: give an htpasswd file", ErrInvalid)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	result := &Result{Document: &state.Document{}}
	users := htpasswdUsers{result: result, first: map[string]int{}, entry: map[string]int{}}
	var number int
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' {
			users.line(number, line)
		}
	}
	if len(users.first) == 0 {
		return nil, fmt.Errorf("%w: no line has a name, a colon and a hash: give an htpasswd file", ErrInvalid)
	}
	if len(result.Document.Subjects) > 0 {
		result.find(Info, 0, "", "a registry with htpasswd lets everyone who logs in do everything; here nobody may do anything without a permission, for example: rbac grant group:authenticated 'repository:**:push'")
	}
	return result.finish()
}

// htpasswdUsers collects users line by line.
type htpasswdUsers struct {
	result *Result
	// first is the line where a name came first, entry its place in the
	// document.
	first, entry map[string]int
}

func (u *htpasswdUsers) line(number int, line string) {
	name, hash, found := strings.Cut(line, ":")
	if !found {
		// What stands there may be a password.
		u.result.find(Error, number, "", "no colon: a line is a name, a colon and a hash")
		return
	}
	user := subject.Ref{Kind: subject.User, Name: name}
	what := printable.Clip(fmt.Sprintf("user %q", name))
	if first, twice := u.first[name]; twice {
		u.twice(number, first, what, name, hash)
		return
	}
	u.first[name] = number
	switch err := subject.ValidateName(name); {
	case err != nil:
		u.result.find(Warning, number, what, "not carried over: %v: add the user under another name", err)
		return
	case name == subject.Anonymous.Name || name == subject.Authenticated.Name:
		u.result.find(Warning, number, what, "not carried over: the name is built in: add the user under another name")
		return
	}
	s := state.Subject{Ref: user}
	if why := unusable(hash); why == "" {
		s.PasswordHash = hash
	} else {
		u.result.find(Warning, number, what, "carried over without a password: %s: set one with rbac change-password %s", why, user)
	}
	u.entry[name] = len(u.result.Document.Subjects)
	u.result.Document.Subjects = append(u.result.Document.Subjects, s)
}

// twice handles a name that came before. Of two lines Apache takes the first
// and registries the last: which password is meant is unknown.
func (u *htpasswdUsers) twice(number, first int, what, name, hash string) {
	i, carried := u.entry[name]
	if !carried || u.result.Document.Subjects[i].PasswordHash == hash {
		u.result.find(Info, number, what, "listed already in line %d", first)
		return
	}
	u.result.Document.Subjects[i].PasswordHash = ""
	u.result.find(Warning, number, what, "carried over without a password: line %d has another hash, and servers differ in which one counts: set a password with rbac change-password user:%s", first, name)
}

// unusable says why a hash cannot be kept, without repeating it, or nothing.
func unusable(hash string) string {
	switch {
	case hash == "":
		return "there is none"
	case strings.HasPrefix(hash, "$$"):
		return "its dollars are doubled, as Compose files have them: write each $ once, and import again"
	case strings.Contains(hash, ":"):
		return "the line has a second colon, as files of htdigest have"
	case strings.HasPrefix(hash, "$2a$"), strings.HasPrefix(hash, "$2b$"), strings.HasPrefix(hash, "$2y$"):
		if err := password.CheckImported(hash); err != nil {
			return strings.TrimPrefix(err.Error(), password.ErrHash.Error()+": ")
		}
		return ""
	case strings.HasPrefix(hash, "$apr1$"), strings.HasPrefix(hash, "$1$"):
		return "the hash is MD5, not bcrypt"
	case strings.HasPrefix(hash, "{SHA}"):
		return "the hash is SHA-1, not bcrypt"
	case strings.HasPrefix(hash, "$5$"), strings.HasPrefix(hash, "$6$"):
		return "the hash is SHA-2 crypt, not bcrypt"
	case hash[0] == '$' || hash[0] == '{':
		return "the hash is of an unknown kind, not bcrypt"
	default:
		return "it is a password in clear or a hash of crypt, not bcrypt"
	}
}
