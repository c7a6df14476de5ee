package importer

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/internal/printable"
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
// repository that the permission covers. What is lost by that is reported.
//
// Rules for everyone who logged in become permissions of group:authenticated,
// rules for requests without credentials those of user:anonymous, rules for a
// label those of a group with the label's name. A rule that fits none of these
// goes to the user, or to a group made for the rule.
//
// What anonymous may do, everyone may, also a user to whom the old rules gave
// less when logged in than without. That is reported as well.
func DockerAuth(r io.Reader, o DockerAuthOptions) (*Result, error) {
	data, err := readAll(r)
	if err != nil {
		return nil, err
	}
	root, where, err := findDockerAuth(data)
	if err != nil {
		return nil, err
	}
	d := &dockerAuth{
		options: o, result: &Result{Document: &state.Document{}},
		accounts: map[string]*account{}, names: map[string]subject.Ref{
			subject.Anonymous.Name: subject.Anonymous, subject.Authenticated.Name: subject.Authenticated,
		},
	}
	if where != "" {
		d.result.find(Info, root.Line, "", "the configuration is read from %s", where)
	}
	if err := d.read(root); err != nil {
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
	// elsewhere are the sections that bring users who are not in the file.
	elsewhere []string
	// names holds what is taken in the name space of subjects.
	names map[string]subject.Ref
}

// otherUsers and otherRules are sections whose users and rules stand elsewhere,
// ignored those that have neither.
var (
	otherUsers = []string{"ext_auth", "github_auth", "gitlab_auth", "google_auth", "ldap_auth", "mongo_auth", "oidc_auth", "plugin_authn", "xorm_auth"}
	otherRules = []string{"acl_mongo", "acl_xorm", "casbin_authz", "ext_authz", "plugin_authz"}
	ignored    = []string{"server", "token"}
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
			d.elsewhere = append(d.elsewhere, key)
			d.result.find(Warning, keyNode.Line, key, "its users are not in this file and not carried over: add them to Dockit")
		case slices.Contains(otherRules, key):
			d.result.find(Warning, keyNode.Line, key, "its rules are not in this file and not carried over: grant what they give")
		case !slices.Contains(ignored, key) && !strings.HasPrefix(key, "x-"):
			d.elsewhere = append(d.elsewhere, key)
			d.result.find(Warning, keyNode.Line, printable.Clip(key), "this section is unknown and not carried over: if users or rules come from it, add and grant them by hand")
		}
		return nil
	})
	switch {
	case err != nil:
		return err
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
	what := fmt.Sprintf("user %q", printable.Clip(name))
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
				a.labels[label], err = scalars(values, what+": label "+printable.Clip(label))
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
		d.result.find(Warning, line, what, "not carried over, nor what it may do: %v: add the user under another name", err)
		return
	}
	if d.names[a.name] != (subject.Ref{}) {
		d.result.find(Warning, line, what, "not carried over, nor what it may do: the name is built in: add the user under another name")
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
