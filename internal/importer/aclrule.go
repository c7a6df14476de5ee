package importer

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/printable"
)

// aclRule is one rule of an ACL of docker_auth.
type aclRule struct {
	number, line int
	// conditions holds the patterns for account, type, name and service that
	// the rule has.
	conditions map[string]string
	// own is the group of the expression for the name that the account must
	// be, 0 for none.
	own    int
	ip     bool
	labels map[string]string
	// odd says why the rule cannot be understood for certain; it gives nothing
	// then, and stands in the way of those after it.
	odd string
	// actions is what it gives on repositories, without push where it gives no
	// pull: push alone cannot be given here.
	actions access.Actions
	// catalog says that it gives the catalog, where it matches that.
	catalog bool
}

func (r *aclRule) String() string { return fmt.Sprintf("rule %d", r.number) }

// The conditions that are patterns.
const (
	onAccount = "account"
	onType    = "type"
	onName    = "name"
	onService = "service"
)

// acl reads the rules.
func (d *dockerAuth) acl(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return fmt.Errorf("%w: line %d: acl must be a list", ErrInvalid, n.Line)
	}
	for i, item := range n.Content {
		item, err := resolved(item)
		if err != nil {
			return err
		}
		r := &aclRule{number: i + 1, line: item.Line, conditions: map[string]string{}, labels: map[string]string{}}
		var match, actions *yaml.Node
		err = eachField(item, r.String(), func(key string, _, value *yaml.Node) error {
			switch {
			case isNull(value):
			case key == "match":
				match = value
			case key == "actions":
				actions = value
			}
			return nil
		})
		switch {
		case err != nil:
			return err
		case match == nil:
			return fmt.Errorf("%w: line %d: %s has no match", ErrInvalid, r.line, r)
		}
		if err := d.match(r, match); err != nil {
			return err
		}
		if err := d.actions(r, actions); err != nil {
			return err
		}
		name := r.conditions[onName]
		_, expression := regularExpression(name)
		if group := nameCapture.FindStringSubmatch(r.conditions[onAccount]); group != nil && expression && !strings.Contains(name, "${") {
			r.own = int(group[1][0] - '0')
		}
		d.rules = append(d.rules, r)
	}
	return nil
}

func (d *dockerAuth) match(r *aclRule, n *yaml.Node) error {
	return eachField(n, r.String()+": match", func(key string, keyNode, value *yaml.Node) error {
		switch key {
		case onAccount, onType, onName, onService:
			if isNull(value) {
				r.odd = fmt.Sprintf("%s is empty, which matches everything there: write \"\" for no credentials, or leave it out", key)
				return nil
			}
			pattern, err := scalar(value, r.String()+": "+key)
			if err != nil {
				return err
			}
			r.conditions[key] = pattern
			return checkPattern(r, keyNode.Line, key, pattern)
		case "ip":
			r.ip = !isNull(value)
		case "labels":
			if isNull(value) {
				return nil
			}
			return eachField(value, r.String()+": labels", func(label string, labelNode, value *yaml.Node) error {
				pattern, err := scalar(value, r.String()+": label "+printable.Clip(label))
				if err != nil {
					return err
				}
				r.labels[label] = pattern
				return checkPattern(r, labelNode.Line, "label "+printable.Clip(label), pattern)
			})
		default:
			r.odd = fmt.Sprintf("%q is no condition, which is ignored there, so that the rule matches more than it seems: correct it", printable.Clip(key))
		}
		return nil
	})
}

func checkPattern(r *aclRule, line int, what, pattern string) error {
	if strings.Contains(pattern, "$${") {
		r.odd = "its dollars are doubled, as Compose files have them: write each $ once"
	}
	if expression, ok := regularExpression(pattern); ok {
		if _, err := regexp.Compile(expression); err != nil {
			return fmt.Errorf("%w: line %d: %s: %s is no regular expression, and docker_auth does not start with it: correct it", ErrInvalid, line, r, what)
		}
	}
	return nil
}

// actions reads what a rule gives. "*" alone is whatever is asked for; among
// others it is only what a client asks for as "*".
func (d *dockerAuth) actions(r *aclRule, n *yaml.Node) error {
	if n == nil {
		d.result.find(Warning, r.line, r.String(), "it has no actions, and fails there: it gives nothing here")
		return nil
	}
	list, err := scalars(n, r.String()+": actions")
	if err != nil {
		return err
	}
	if len(list) == 1 && list[0] == "*" {
		r.actions, r.catalog = access.All, true
		return nil
	}
	var unknown []string
	for _, action := range list {
		switch parsed, err := access.ParseActions(action); {
		case action == "*":
			r.catalog = true
			d.result.find(Warning, r.line, r.String(), "\"*\" beside other actions is everything only for clients that ask for \"*\": only the others are carried over")
		case err != nil || strings.Contains(action, ","):
			unknown = append(unknown, fmt.Sprintf("%q", printable.Clip(action)))
		default:
			r.actions |= parsed
		}
	}
	if len(unknown) > 0 {
		d.result.find(Warning, r.line, r.String(), "unknown actions %s: registries ask for pull, push and delete", strings.Join(unknown, ", "))
	}
	if r.actions.Has(access.Push) && !r.actions.Has(access.Pull) {
		r.actions &^= access.Push
		d.result.find(Warning, r.line, r.String(), "push without pull is not carried over: who may push here may pull as well")
	}
	if len(list) == 0 {
		d.result.find(Info, r.line, r.String(), "it denies. Nothing that is carried over gives what it denies, but it does not hinder what is granted later")
	}
	return nil
}
