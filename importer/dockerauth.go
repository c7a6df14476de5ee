package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// DockerAuthOptions say how a configuration of docker_auth is read.
type DockerAuthOptions struct {
	// Service is the registry that Dockit will serve, as the configuration
	// names it. Rules for other services are left out. Empty: rules that name a
	// service are left out, for permissions hold for every service.
	Service string
}

// DockerAuth reads the static users and the static ACL of a configuration of
// docker_auth.
//
// There, the first rule that matches decides, and a rule may deny. Permissions
// only add up. So for each user and each rule a permission is carried over only
// with the actions that the old rules certainly give that user on every
// repository that the permission covers. What is lost by that is told.
//
// Rules for everyone who logged in become permissions of group:authenticated,
// rules for requests without credentials those of user:anonymous, rules for a
// label those of a group with the label's name. A rule that fits none of these
// goes to the user, or to a group made for the rule.
//
// What anonymous may do, everyone may, also somebody to whom the old rules gave
// less when logged in than without. That is told as well.
func DockerAuth(r io.Reader, o DockerAuthOptions) (*Result, error) {
	data, err := readAll(r)
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	switch err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%w: it is empty: give a configuration of docker_auth", ErrInvalid)
	case err != nil:
		return nil, fmt.Errorf("%w: %s", ErrInvalid, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	d := &dockerAuth{
		options: o, result: &Result{Document: &state.Document{}},
		accounts: map[string]*account{}, names: map[string]subject.Ref{
			subject.Anonymous.Name: subject.Anonymous, subject.Authenticated.Name: subject.Authenticated,
		},
	}
	if err := d.read(document.Content[0]); err != nil {
		return nil, err
	}
	d.rights()
	return d.result.finish()
}

// dockerAuth is a configuration on its way to a document.
type dockerAuth struct {
	options DockerAuthOptions
	result  *Result
	// accounts are those that can log in, by name; "" stands for requests
	// without credentials.
	accounts map[string]*account
	rules    []*aclRule
	// names holds what is taken in the name space of subjects.
	names map[string]subject.Ref
}

// account is somebody to whom rules may apply.
type account struct {
	name   string
	labels map[string][]string
	// carried tells that the account becomes a user.
	carried bool
}

// otherUsers and otherRules are sections whose users and rules stand elsewhere.
var (
	otherUsers = []string{"ext_auth", "github_auth", "gitlab_auth", "google_auth", "ldap_auth", "mongo_auth", "oidc_auth", "plugin_authn", "xorm_auth"}
	otherRules = []string{"acl_mongo", "acl_xorm", "casbin_authz", "ext_authz", "plugin_authz"}
)

func (d *dockerAuth) read(root *yaml.Node) error {
	var users, acl *yaml.Node
	err := eachField(root, "the configuration", func(key string, keyNode, value *yaml.Node) error {
		switch {
		case isNull(value):
		case key == "users":
			users = value
		case key == "acl":
			acl = value
		case slices.Contains(otherUsers, key):
			d.result.find(Error, keyNode.Line, key, "its users are not in this file and not carried over: add them to Dockit")
		case slices.Contains(otherRules, key):
			d.result.find(Error, keyNode.Line, key, "its rules are not in this file and not carried over: grant what they give")
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case users == nil && acl == nil:
		return fmt.Errorf("%w: it has neither users nor an acl: give a configuration of docker_auth", ErrInvalid)
	}
	if users != nil {
		err = eachField(users, "users", d.user)
	}
	if err == nil && acl != nil {
		err = d.acl(acl)
	}
	return err
}

func (d *dockerAuth) user(name string, keyNode, n *yaml.Node) error {
	a := &account{name: name, labels: map[string][]string{}}
	what := fmt.Sprintf("user %q", clip(name))
	if isNull(n) {
		if name != "" {
			d.result.find(Info, keyNode.Line, what, "not carried over: without {} after it, the name cannot log in")
		}
		return nil
	}
	var password *string
	err := eachField(n, what, func(key string, _, value *yaml.Node) (err error) {
		switch {
		case isNull(value):
		case key == "password":
			var hash string
			hash, err = scalar(value, what+": password")
			password = &hash
		case key == "labels":
			err = eachField(value, what+": labels", func(label string, _, values *yaml.Node) (err error) {
				a.labels[label], err = scalars(values, what+": label "+clip(label))
				return err
			})
		}
		return err
	})
	if err != nil {
		return err
	}
	d.account(a, keyNode.Line, what, password)
	return nil
}

// account decides what becomes of one that can log in.
func (d *dockerAuth) account(a *account, line int, what string, password *string) {
	ref := subject.Ref{Kind: subject.User, Name: a.name}
	if a.name == "" {
		if password != nil {
			d.result.find(Warning, line, what, "requests without credentials need a password there, so that they get nothing here")
			return
		}
		d.accounts[""] = a
		return
	}
	if err := subject.ValidateName(a.name); err != nil {
		d.result.find(Error, line, what, "not carried over, nor what it may do: %v: add the user under another name", err)
		return
	}
	if d.names[a.name] != (subject.Ref{}) {
		d.result.find(Error, line, what, "not carried over, nor what it may do: the name is built in: add the user under another name")
		return
	}
	a.carried = true
	d.accounts[a.name], d.names[a.name] = a, ref
	s := state.Subject{Ref: ref}
	switch {
	case password == nil:
		d.result.find(Warning, line, what, "carried over without a password: it has none, so that anybody can log in as %s there; here nobody can: set one with rbac change-password %s", a.name, ref)
	case unusable(*password) != "":
		d.result.find(Warning, line, what, "carried over without a password: %s: set one with rbac change-password %s", unusable(*password), ref)
	default:
		s.PasswordHash = *password
	}
	d.result.Document.Subjects = append(d.result.Document.Subjects, s)
}

// eachField calls use for each field of a mapping. A field given twice is an
// error: which of both counts depends on the reader.
func eachField(n *yaml.Node, what string, use func(key string, keyNode, value *yaml.Node) error) error {
	n, err := resolved(n)
	if err != nil {
		return err
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("%w: line %d: %s must be fields with values", ErrInvalid, n.Line, what)
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].ShortTag() == "!!merge" {
			return fmt.Errorf("%w: line %d: %s: merge keys (<<) are not supported: write it out", ErrInvalid, n.Content[i].Line, what)
		}
		key, err := scalar(n.Content[i], what)
		if err != nil {
			return err
		}
		if first, twice := seen[key]; twice {
			return fmt.Errorf("%w: line %d: %s: %q is given twice, first in line %d", ErrInvalid, n.Content[i].Line, what, clip(key), first)
		}
		seen[key] = n.Content[i].Line
		value, err := resolved(n.Content[i+1])
		if err != nil {
			return err
		}
		if err := use(key, n.Content[i], value); err != nil {
			return err
		}
	}
	return nil
}

// resolved follows an alias to what it stands for, which holds no other alias.
func resolved(n *yaml.Node) (*yaml.Node, error) {
	if n.Kind != yaml.AliasNode {
		return n, nil
	}
	var deep func(n *yaml.Node) bool
	deep = func(n *yaml.Node) bool {
		return n.Kind == yaml.AliasNode || slices.ContainsFunc(n.Content, deep)
	}
	if deep(n.Alias) {
		return nil, fmt.Errorf("%w: line %d: an alias within an alias is not supported: write it out", ErrInvalid, n.Line)
	}
	return n.Alias, nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// scalar is a value as it is written, whatever it looks like.
func scalar(n *yaml.Node, what string) (string, error) {
	n, err := resolved(n)
	if err != nil {
		return "", err
	}
	if n.Kind != yaml.ScalarNode || isNull(n) {
		return "", fmt.Errorf("%w: line %d: %s must be text", ErrInvalid, n.Line, what)
	}
	return n.Value, nil
}

func scalars(n *yaml.Node, what string) ([]string, error) {
	n, err := resolved(n)
	if err != nil {
		return nil, err
	}
	if n.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("%w: line %d: %s must be a list", ErrInvalid, n.Line, what)
	}
	list := make([]string, len(n.Content))
	for i, item := range n.Content {
		if list[i], err = scalar(item, what); err != nil {
			return nil, err
		}
	}
	return list, nil
}
