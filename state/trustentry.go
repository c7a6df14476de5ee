package state

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/duration"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/subject"
)

// The sections of issuers and bindings.
const (
	sectionIssuers  = "issuers"
	sectionBindings = "bindings"
)

// The fields of their entries, beside those of subjects.
const (
	fieldURL              = "url"
	fieldKind             = "kind"
	fieldAudiences        = "audiences"
	fieldJWKSURL          = "jwks_url"
	fieldJWKS             = "jwks"
	fieldJWKSHost         = "jwks_host"
	fieldCA               = "ca"
	fieldBearerFile       = "bearer_file"
	fieldMaxAge           = "max_age"
	fieldIssuer           = "issuer"
	fieldRobot            = "robot"
	fieldClaims           = "claims"
	fieldExpose           = "expose"
	fieldScopes           = "scopes"
	fieldSession          = "session"
	fieldAllowUnprotected = "allow_unprotected"
)

// isSection reports whether a field of the document is a list of entries.
func isSection(name string) bool {
	_, subjects := sections[name]
	return subjects || name == sectionIssuers || name == sectionBindings
}

// addEntry reads one entry of a section into a document.
func (p *parser) addEntry(d *Document, section string, n *yaml.Node) {
	switch section {
	case sectionIssuers:
		if i, ok := p.issuer(n); ok {
			d.Issuers = append(d.Issuers, i)
		}
	case sectionBindings:
		if b, ok := p.binding(n); ok {
			d.Bindings = append(d.Bindings, b)
		}
	default:
		if s, ok := p.subject(sections[section], n); ok {
			d.Subjects = append(d.Subjects, s)
		}
	}
}

// labelled is what faults call an entry.
func (p *parser) labelled(kind string, n *yaml.Node) string {
	if name := field(n, fieldName); name != nil && name.Kind == yaml.ScalarNode {
		return printable.ClipTo(kind+":"+name.Value, maxLabel)
	}
	return "an " + kind
}

// trustEntry reads the fields of an entry, and checks it once all of them could be
// read.
func (p *parser) trustEntry(kind string, n *yaml.Node, names map[string]bool, name *string, take func(label, key string, value *yaml.Node) bool, validate func() error) bool {
	label, before := p.labelled(kind, n), len(p.faults)
	seen := map[string]int{}
	p.room -= entryWeight
	p.mapping(n, label, seen, func(key, value *yaml.Node) bool {
		if key.Value == fieldName {
			*name, _ = p.text(value, kind+": name")
			return true
		}
		return take(label, key.Value, value)
	})
	if n.Kind == yaml.MappingNode && seen[fieldName] == 0 {
		p.fault(n, "%s: the name is missing", kind)
	}
	if len(p.faults) > before || p.more {
		return false
	}
	for _, err := range []error{validate(), claimOnce(names, kind, *name)} {
		if err != nil {
			p.fault(n, "%s: %w", label, err)
			return false
		}
	}
	return true
}

func (p *parser) issuer(n *yaml.Node) (Issuer, bool) {
	i := Issuer{Kind: federation.Generic}
	texts := map[string]*string{
		fieldURL: &i.URL, fieldJWKSURL: &i.JWKSURL, fieldJWKS: &i.JWKS, fieldJWKSHost: &i.JWKSHost, fieldCA: &i.CA, fieldBearerFile: &i.BearerFile,
	}
	ok := p.trustEntry("issuer", n, p.issuers, &i.Name, func(label, key string, value *yaml.Node) bool {
		if into := texts[key]; into != nil {
			*into, _ = p.text(value, label+": "+key)
			return true
		}
		switch key {
		case fieldKind:
			text, _ := p.text(value, label+": kind")
			kind, err := federation.ParseKind(text)
			if err != nil {
				p.fault(value, "%s: %w", label, err)
			}
			i.Kind = kind
		case fieldAudiences:
			i.Audiences = listOf(p, value, label+": audiences", func(s string) (string, error) { return s, nil })
		case fieldMaxAge:
			i.MaxAge = p.duration(value, label+": max_age")
		case fieldDisabled:
			i.Disabled = p.boolean(value, label+": disabled")
		default:
			return false
		}
		return true
	}, func() error { return i.Validate() })
	return i, ok
}

func (p *parser) binding(n *yaml.Node) (Binding, bool) {
	var b Binding
	ok := p.trustEntry("binding", n, p.bindings, &b.Name, func(label, key string, value *yaml.Node) bool {
		switch key {
		case fieldIssuer:
			b.Issuer, _ = p.text(value, label+": issuer")
		case fieldRobot:
			if text, ok := p.text(value, label+": robot"); ok {
				var err error
				if b.Robot, err = subject.ParseRef(text); err != nil {
					p.fault(value, "%s: robot: %w", label, err)
				}
			}
		case fieldClaims:
			b.Claims = listOf(p, value, label+": claims", federation.ParseCondition)
		case fieldExpose:
			b.Expose = listOf(p, value, label+": expose", federation.ParseExposure)
		case fieldScopes:
			b.Scopes = listOf(p, value, label+": scopes", access.ParsePermission)
		case fieldSession:
			b.Session = p.duration(value, label+": session")
		case fieldAllowUnprotected:
			b.AllowUnprotected = p.boolean(value, label+": allow_unprotected")
		case fieldDisabled:
			b.Disabled = p.boolean(value, label+": disabled")
		default:
			return false
		}
		return true
	}, func() error { return b.Validate() })
	return b, ok
}

// listOf reads a list of texts.
func listOf[T any](p *parser, n *yaml.Node, what string, parse func(string) (T, error)) []T {
	var all []T
	p.list(n, what, func(item *yaml.Node) {
		p.room--
		text, ok := p.text(item, what)
		if !ok {
			return
		}
		one, err := parse(text)
		if err != nil {
			p.fault(item, "%s: %w", what, err)
		}
		all = append(all, one)
	})
	return all
}

// duration reads how long something takes: 90d, 1h30m.
func (p *parser) duration(n *yaml.Node, what string) time.Duration {
	text, ok := p.text(n, what)
	if !ok {
		return 0
	}
	d, err := duration.Parse(text)
	if err == nil && d <= 0 {
		err = fmt.Errorf("%q is no time: leave it out for the default", text)
	}
	if err != nil {
		p.fault(n, "%s: %w", what, err)
	}
	return d
}
