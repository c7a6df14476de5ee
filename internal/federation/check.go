package federation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/access"
)

// check is a binding being judged.
type check struct {
	issuer  Issuer
	binding Binding
	// claims are the values of the conditions by the name of the claim.
	claims map[string][]string
	// permissions are those of the robot.
	permissions []access.Permission
	// writes is set when who comes in may push or delete.
	writes   bool
	warnings []Warning
}

func byName(conditions []Condition) map[string][]string {
	named := make(map[string][]string, len(conditions))
	for _, c := range conditions {
		named[c.Name] = append(named[c.Name], c.Value)
	}
	return named
}

func (c *check) judge() ([]Warning, error) {
	p := profiles[c.issuer.Kind]
	if p.shared != nil && p.shared(c.issuer.URL) && !c.owned(p) {
		return nil, refusal(ErrNoOwner, c.binding, "%s signs for everybody, and no condition says whose the job is%s: add %s", p.title, c.wildcardOwner(p), p.ownerHint)
	}
	fault, own := "", p.separates != "" && c.confines(p.separates)
	if !own {
		fault = c.openFault()
	}
	if fault == "" && !own && c.writes && p.protects != nil && !p.protects(c) {
		fault = fmt.Sprintf("%s may push, and nothing says from where: add %s, or a --scope that only pulls", c.binding.Robot, p.protectHint)
	}
	if fault == "" && !own && p.fault != nil {
		fault = p.fault(c)
	}
	if fault != "" && !c.binding.AllowUnprotected {
		return nil, refusal(ErrUnprotected, c.binding, "%s (--allow-unprotected takes it as it is)", fault)
	}
	if fault != "" {
		c.warn("%s", fault)
	}
	if c.writes && len(p.owners) > 0 && !c.owned(p) { // of one company
		c.warn("jobs of every project of %s may push: add %s", c.issuer.URL, p.ownerHint)
	}
	c.warnOfNames(p)
	c.warnOfUnknown(p)
	c.warnOfPlaceholders()
	if p.warn != nil {
		p.warn(c)
	}
	return c.warnings, nil
}

func (c *check) warn(format string, args ...any) {
	c.warnings = append(c.warnings, Warning(fmt.Sprintf("binding %s: ", c.binding.Name)+fmt.Sprintf(format, args...)))
}

// has reports whether there is a condition on a claim of one of these names.
func (c *check) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return len(c.claims[name]) > 0 })
}

// every reports whether there is a condition on a claim, and each value that it
// may have passes: values are alternatives.
func (c *check) every(name string, passes func(string) bool) bool {
	values := c.claims[name]
	return len(values) > 0 && !slices.ContainsFunc(values, func(v string) bool { return !passes(v) })
}

// some reports whether a claim may have one of these values.
func (c *check) some(name string, texts ...string) bool {
	return slices.ContainsFunc(c.claims[name], func(v string) bool { return slices.ContainsFunc(texts, Condition{name, v}.covers) })
}

// openFault says what is wrong when every condition takes whatever the claim says.
func (c *check) openFault() string {
	if slices.ContainsFunc(c.binding.Claims, func(one Condition) bool { return !isOpen(one.Value) }) {
		return ""
	}
	return "its conditions hold for whatever a token says: add one that tells your jobs from others"
}

// isOpen reports whether a value takes any text.
func isOpen(value string) bool { return strings.Trim(value, "*/") == "" }

// owned reports whether a condition says whose the job is.
func (c *check) owned(p profile) bool {
	return slices.ContainsFunc(p.owners, func(o owner) bool {
		return c.every(o.claim, o.fixed) && (o.with == "" || c.every(o.with, isTrue))
	})
}

// wildcardOwner reports when a condition would say whose the job is, but for a
// wildcard.
func (c *check) wildcardOwner(p profile) string {
	for _, o := range p.owners {
		for _, value := range c.claims[o.claim] {
			if strings.Contains(value, "*") && !o.fixed(value) {
				return fmt.Sprintf(" (%s=%s has a wildcard there)", o.claim, value)
			}
		}
	}
	return ""
}

// warnOfNames warns of names that another owner may have one day.
func (c *check) warnOfNames(p profile) {
	for _, claim := range p.claims {
		if !c.has(claim.Name) || claim.Name == "sub" {
			continue
		}
		var ids []string
		for _, other := range p.claims {
			if slices.Contains(other.IDOf, claim.Name) {
				ids = append(ids, other.Name)
			}
		}
		if len(ids) == 0 || slices.ContainsFunc(ids, func(id string) bool { return c.every(id, literal) }) {
			continue
		}
		c.warn("%s is a name, which somebody else may get when yours is renamed or removed: add the id that stays, %s: %s",
			claim.Name, ids[0], c.again(p, claim.Name, Condition{ids[0], "ID"}))
	}
}

// again is the command that makes the binding with one more condition.
func (c *check) again(p profile, name string, more Condition) string {
	b := c.binding
	command := []string{"rbac binding remove", b.Name, "&& rbac binding add", b.Name, "--issuer", b.Issuer, "--robot", b.Robot.String()}
	for _, condition := range append(slices.Clone(b.Claims), more) {
		command = append(command, "--claim", quoted(condition.String()))
	}
	for _, exposure := range b.Expose {
		command = append(command, "--expose", quoted(exposure.String()))
	}
	for _, scope := range b.Scopes {
		command = append(command, "--scope", quoted(scope.String()))
	}
	if b.Session != 0 {
		command = append(command, "--session", b.Session.String())
	}
	if b.AllowUnprotected {
		command = append(command, "--allow-unprotected")
	}
	text := strings.Join(command, " ")
	if hint := p.idHints[name]; hint != "" {
		text += " (ID: " + strings.ReplaceAll(hint, "NAME", c.claims[name][0]) + ")"
	}
	return text
}

// quoted is a text as one word of a shell.
func quoted(s string) string {
	if strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789_=/.:,@+-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// standard are the claims that any token may have.
var standard = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp"}

// warnOfUnknown warns of claims that no token of the kind has: no job would come
// in.
func (c *check) warnOfUnknown(p profile) {
	if len(p.claims) == 0 {
		return
	}
	named := slices.Clone(c.binding.Claims)
	for _, e := range c.binding.Expose {
		named = append(named, Condition{Name: e.Claim})
	}
	for _, name := range p.unknown(named) {
		if near := p.near(name); near != "" {
			c.warn("no token of %s is known to have the claim %s; did you mean %s?", p.title, name, near)
		} else {
			c.warn("no token of %s is known to have the claim %s: see what yours has with rbac issuer try", p.title, name)
		}
	}
}
