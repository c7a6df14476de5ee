package state

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/internal/duration"
	"github.com/dockit-registry/dockit/internal/federation"
)

// Issuer is who is trusted to sign tokens that say which job or workload a client
// is.
type Issuer = federation.Issuer

// Binding says which tokens of an issuer stand for a robot.
type Binding = federation.Binding

// Condition is what a claim of such a token must be.
type Condition = federation.Condition

// Exposure lets permissions name a claim of such a token.
type Exposure = federation.Exposure

// TrustChange is what happens to one issuer or binding.
type TrustChange struct {
	Action Action `json:"action" enum:"create,update,remove"`
	Name   string `json:"name"`
	// Remove and Add are settings, each as "field value": of one that changes there
	// is a text in both.
	Remove []string `json:"remove,omitempty" nullable:"false" example:"[\"claim ref=refs/heads/main\"]" doc:"Settings that go, or have another value before."`
	Add    []string `json:"add,omitempty" nullable:"false" example:"[\"claim ref=refs/heads/*\"]" doc:"Settings that come, or have another value afterwards."`
	// Issuer or Binding is what it becomes, nil for one that goes.
	Issuer  *Issuer  `json:"-"`
	Binding *Binding `json:"-"`
}

// sortTrust brings issuers and bindings into their canonical order: each by name,
// and their lists by their texts.
func (d *Document) sortTrust() {
	slices.SortFunc(d.Issuers, func(a, b Issuer) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(d.Bindings, func(a, b Binding) int { return cmp.Compare(a.Name, b.Name) })
	for i := range d.Issuers {
		slices.Sort(d.Issuers[i].Audiences)
	}
	for i := range d.Bindings {
		slices.SortFunc(d.Bindings[i].Claims, func(a, b Condition) int { return cmp.Compare(a.String(), b.String()) })
		slices.SortFunc(d.Bindings[i].Expose, func(a, b Exposure) int { return cmp.Compare(a.String(), b.String()) })
		slices.SortFunc(d.Bindings[i].Scopes, comparePermissions)
	}
}

// trustFault is the first thing that is wrong with issuers and bindings, or nil.
func (d *Document) trustFault() error {
	issuers, bindings := map[string]bool{}, map[string]bool{}
	for _, i := range d.Issuers {
		if err := cmp.Or(i.Validate(), claimOnce(issuers, "issuer", i.Name)); err != nil {
			return err
		}
	}
	for _, b := range d.Bindings {
		if err := cmp.Or(b.Validate(), claimOnce(bindings, "binding", b.Name)); err != nil {
			return err
		}
	}
	return nil
}

// claimOnce notes that a name is used, and refuses it the second time.
func claimOnce(names map[string]bool, kind, name string) error {
	if names[name] {
		return fmt.Errorf("%s %s is listed twice: merge both entries", kind, name)
	}
	names[name] = true
	return nil
}

// issuerSettings are what a plan shows of an issuer.
func issuerSettings(i Issuer) []string {
	settings := []string{"url " + i.URL, "kind " + string(i.Kind), "max_age " + duration.Format(i.LongestAge())}
	for _, audience := range i.Audiences {
		settings = append(settings, "audience "+audience)
	}
	for _, one := range []struct{ field, value string }{
		{fieldJWKSURL, i.JWKSURL}, {fieldJWKS, digest(i.JWKS)}, {fieldJWKSHost, i.JWKSHost}, {fieldCA, digest(i.CA)}, {fieldBearerFile, i.BearerFile},
	} {
		if one.value != "" {
			settings = append(settings, one.field+" "+one.value)
		}
	}
	if i.Disabled {
		settings = append(settings, fieldDisabled)
	}
	return settings
}

// bindingSettings are what a plan shows of a binding.
func bindingSettings(b Binding) []string {
	settings := []string{"issuer " + b.Issuer, "robot " + b.Robot.String(), "session " + duration.Format(b.LongestSession())}
	for _, c := range b.Claims {
		settings = append(settings, "claim "+c.String())
	}
	for _, e := range b.Expose {
		settings = append(settings, "expose "+e.String())
	}
	for _, scope := range b.Scopes {
		settings = append(settings, "scope "+scope.String())
	}
	if b.AllowUnprotected {
		settings = append(settings, fieldAllowUnprotected)
	}
	if b.Disabled {
		settings = append(settings, fieldDisabled)
	}
	return settings
}

// digest stands for a text that is too long to show.
func digest(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:8])
}

// trustChange is what makes wanted of current, both as settings, and whether that
// is anything. Nil is one that is not there.
func trustChange(name string, current, wanted []string) (TrustChange, bool) {
	c := TrustChange{Action: Update, Name: name}
	switch {
	case current == nil:
		c.Action = Create
	case wanted == nil:
		c.Action = Remove
	}
	c.Remove, c.Add = without(current, wanted), without(wanted, current)
	return c, c.Action != Update || len(c.Remove)+len(c.Add) > 0
}

// without is what one list has and another has not, in its order.
func without(list, other []string) []string {
	var only []string
	for _, one := range list {
		if !slices.Contains(other, one) {
			only = append(only, one)
		}
	}
	return only
}

// trustLines shows changes of issuers or bindings like a diff.
func trustLines(kind string, changes []TrustChange) []Line {
	var lines []Line
	for _, c := range changes {
		lines = append(lines, Line{actionMark[c.Action], kind + ":" + c.Name})
		for _, setting := range c.settings() {
			lines = append(lines, Line{setting.Mark, "  " + setting.Text})
		}
	}
	return lines
}

// settings puts what a setting was before what it becomes.
func (c TrustChange) settings() []Line {
	lines := make([]Line, 0, len(c.Remove)+len(c.Add))
	for _, text := range c.Remove {
		lines = append(lines, Line{'-', text})
	}
	for _, text := range c.Add {
		lines = append(lines, Line{'+', text})
	}
	field := func(l Line) string { name, _, _ := strings.Cut(l.Text, " "); return name }
	slices.SortStableFunc(lines, func(a, b Line) int { return cmp.Compare(field(a), field(b)) })
	return lines
}
