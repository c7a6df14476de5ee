package state

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/duration"
)

// WriteIssuer writes one issuer. Issuers come after all subjects, by name, and
// their audiences in order.
func (w *Writer) WriteIssuer(i Issuer) error {
	return w.writeTrust(sectionIssuers, i.Name, issuerFields(i))
}

// WriteBinding writes one binding. Bindings come after all issuers, by name, and
// their claims and scopes in order.
func (w *Writer) WriteBinding(b Binding) error {
	return w.writeTrust(sectionBindings, b.Name, bindingFields(b))
}

// entryField is a field of an entry with its value: a text, a truth value or a list of
// texts. What is empty is left out.
type entryField struct {
	name  string
	value any
}

func issuerFields(i Issuer) []entryField {
	return []entryField{
		{fieldURL, i.URL},
		{fieldKind, string(i.Kind)},
		{fieldAudiences, i.Audiences},
		{fieldJWKSURL, i.JWKSURL},
		{fieldJWKS, i.JWKS},
		{fieldJWKSHost, i.JWKSHost},
		{fieldCA, i.CA},
		{fieldBearerFile, i.BearerFile},
		{fieldMaxAge, durationText(i.MaxAge)},
		{fieldDisabled, i.Disabled},
	}
}

func bindingFields(b Binding) []entryField {
	return []entryField{
		{fieldIssuer, b.Issuer},
		{fieldRobot, b.Robot.String()},
		{fieldClaims, texts(b.Claims)},
		{fieldExpose, texts(b.Expose)},
		{fieldScopes, texts(b.Scopes)},
		{fieldSession, durationText(b.Session)},
		{fieldAllowUnprotected, b.AllowUnprotected},
		{fieldDisabled, b.Disabled},
	}
}

// durationText is empty for a default.
func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return duration.Format(d)
}

func (w *Writer) writeTrust(section, name string, fields []entryField) error {
	if after := w.section == section && w.name >= name; after || w.section == sectionBindings && section == sectionIssuers {
		return fmt.Errorf("write %s of %s after %s of %s: %w", name, section, w.name, w.section, errOrder)
	}
	w.start()
	if w.format == JSON {
		if err := w.jsonEntry(section, name, fields); err != nil {
			return err
		}
	} else {
		w.yamlEntry(section, name, fields)
	}
	w.section, w.name = section, name
	return nil
}

func (w *Writer) yamlEntry(section, name string, fields []entryField) {
	if w.section != section {
		w.print(section, ":\n")
	}
	w.print("  - name: ", plain(name), "\n")
	for _, f := range fields {
		switch value := f.value.(type) {
		case bool:
			if value {
				w.print("    ", f.name, ": true\n")
			}
		case string:
			if value != "" {
				w.print("    ", f.name, ": ", scalar(value), "\n")
			}
		case []string:
			if len(value) > 0 {
				w.print("    ", f.name, ":\n")
			}
			for _, item := range value {
				w.print("      - ", strconv.Quote(item), "\n")
			}
		}
	}
}

// scalar writes a text as YAML: one of several plain lines as such.
func scalar(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	simple := len(lines) > 1 && strings.HasSuffix(text, "\n") && lines[0] != "" && lines[0][0] != ' '
	for _, line := range lines {
		simple = simple && strings.TrimRight(line, " ") == line && !strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' })
	}
	if !simple || lines[len(lines)-1] == "" {
		return strconv.Quote(text)
	}
	return "|\n      " + strings.Join(lines, "\n      ")
}

func (w *Writer) jsonEntry(section, name string, fields []entryField) error {
	switch {
	case w.section == section:
		w.print(",")
	case w.section != "":
		w.print("\n  ]")
		fallthrough
	default:
		w.print(",\n  ", strconv.Quote(section), ": [")
	}
	w.print("\n    {\"name\":", strconv.Quote(name))
	for _, f := range fields {
		switch value := f.value.(type) {
		case bool:
			if !value {
				continue
			}
		case string:
			if value == "" {
				continue
			}
		case []string:
			if len(value) == 0 {
				continue
			}
		}
		encoded, err := json.Marshal(f.value)
		if err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		w.print(",", strconv.Quote(f.name), ":", string(encoded))
	}
	w.print("}")
	return nil
}
