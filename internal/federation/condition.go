package federation

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/internal/glob"
	"github.com/dockit-registry/dockit/internal/printable"
)

// Bounds of what a condition is made of, in bytes.
const (
	MaxClaimLength = 128
	MaxValueLength = 512
)

// ErrInvalidCondition is returned for a condition outside the syntax.
var ErrInvalidCondition = errors.New("invalid condition")

// Condition is what a claim of a token must be. As text, and so in JSON, it is
// written NAME=VALUE: repository_id=74, ref=refs/heads/*.
type Condition struct {
	// Name is that of a claim, or the path to a nested one, joined with slashes.
	Name string
	// Value is what it is, or a pattern: * for any characters between two
	// slashes, ** alone between slashes for any number of such parts.
	Value string
}

// ParseCondition reads NAME=VALUE. The value starts after the first equals sign.
// Errors: [ErrInvalidCondition].
func ParseCondition(s string) (Condition, error) {
	name, value, found := strings.Cut(s, "=")
	if !found {
		return Condition{}, fmt.Errorf("%w %q: write NAME=VALUE, for example repository_id=74", ErrInvalidCondition, printable.Clip(s))
	}
	c := Condition{name, value}
	return c, c.Validate()
}

// Validate reports why there cannot be such a condition, or nil.
func (c Condition) Validate() error {
	fault := ""
	switch {
	case strings.Contains(c.Name, "="):
		fault = "the name of a claim has no equals sign"
	case textFault(c.Name, MaxClaimLength) != "":
		fault = "the name of the claim " + textFault(c.Name, MaxClaimLength)
	case c.Value == "":
		fault = "the value is missing: write NAME=VALUE, or NAME=* for a claim that is there at all"
	case len(c.Value) > MaxValueLength:
		fault = fmt.Sprintf("the value is %d bytes long, at most %d are allowed", len(c.Value), MaxValueLength)
	case strings.ContainsFunc(c.Value, func(r rune) bool { return !printable.Rune(r) }):
		fault = "the value has characters that cannot be shown"
	default:
		for part := range strings.SplitSeq(c.Value, "/") {
			if part != "**" && strings.Contains(part, "**") {
				fault = fmt.Sprintf("in %q ** does not stand alone between slashes: write * for characters between two slashes, or /**/ for any number of parts", printable.Clip(part))
			}
		}
	}
	if fault == "" {
		return nil
	}
	return fmt.Errorf("%w %q: %s", ErrInvalidCondition, printable.Clip(c.String()), fault)
}

// String writes the condition as [ParseCondition] reads it.
func (c Condition) String() string { return c.Name + "=" + c.Value }

// MarshalText implements [encoding.TextMarshaler]. It does not fail.
func (c Condition) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] as [ParseCondition] reads.
func (c *Condition) UnmarshalText(text []byte) error {
	parsed, err := ParseCondition(string(text))
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}

// hasWildcard reports whether more than one value meets the condition.
func (c Condition) hasWildcard() bool { return strings.Contains(c.Value, "*") }

// covers reports whether a text meets the condition. What is empty meets none.
func (c Condition) covers(text string) bool {
	if text == "" {
		return false
	}
	if !c.hasWildcard() {
		return text == c.Value
	}
	return glob.Compile(c.Value).Match(strings.Split(text, "/"))
}

// compareConditions orders conditions by name, and then by value.
func compareConditions(a, b Condition) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
}

// Claims are those of a token: of each the text, the truth value, the number as a
// [json.Number], the list or the nested claims, as JSON has them.
type Claims map[string]any

// Find is the claim of that very name, or else the nested one at that path.
func (c Claims) Find(name string) (any, bool) {
	if value, ok := c[name]; ok {
		return value, true
	}
	var at any = map[string]any(c)
	for part := range strings.SplitSeq(name, "/") {
		nested, ok := at.(map[string]any)
		if !ok {
			return nil, false
		}
		if at, ok = nested[part]; !ok {
			return nil, false
		}
	}
	return at, true
}

// Text is the claim of that name or at that path for people, at most 128 bytes of
// it, or empty.
func (c Claims) Text(name string) string {
	value, present := c.Find(name)
	if !present || value == nil {
		return ""
	}
	return shown(value)
}

// texts are what a claim is compared by: a text as it is, truth values and numbers
// as JSON writes them, of a list each of these. Nothing else is compared.
func texts(value any) []string {
	if list, ok := value.([]any); ok {
		all := make([]string, 0, len(list))
		for _, element := range list {
			if text, ok := scalar(element); ok {
				all = append(all, text)
			}
		}
		return all
	}
	if text, ok := scalar(value); ok {
		return []string{text}
	}
	return nil
}

func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		if v {
			return "true", true
		}
		return "false", true
	case json.Number:
		return v.String(), true
	default:
		return "", false
	}
}

// Finding is how a token fares with the conditions on one claim.
type Finding struct {
	// Name is that of the claim, and Want what it may be, one of them.
	Name string
	Want []string
	// Got is what the token says, as JSON if it is no text, at most 128 bytes of
	// it. Present distinguishes an empty text from a claim that is not there.
	Got     string
	Present bool
	// Value is the text that met a condition.
	Value string
	Holds bool
}

// Match compares claims with conditions: those of the same name are alternatives,
// those of different names must all hold. The findings have the order of the
// conditions. No conditions hold for nothing.
func Match(conditions []Condition, claims Claims) ([]Finding, bool) {
	findings := make([]Finding, 0, len(conditions))
	for at, c := range conditions {
		if slices.ContainsFunc(conditions[:at], func(earlier Condition) bool { return earlier.Name == c.Name }) {
			continue
		}
		findings = append(findings, find(c.Name, conditions[at:], claims))
	}
	return findings, len(findings) > 0 && !slices.ContainsFunc(findings, func(f Finding) bool { return !f.Holds })
}

// find compares the claim of one name.
func find(name string, conditions []Condition, claims Claims) Finding {
	f := Finding{Name: name}
	value, present := claims.Find(name)
	f.Present = present
	if present {
		f.Got = shown(value)
	}
	candidates := texts(value)
	for _, c := range conditions {
		if c.Name != name {
			continue
		}
		f.Want = append(f.Want, c.Value)
		if at := slices.IndexFunc(candidates, c.covers); at >= 0 && !f.Holds {
			f.Holds, f.Value = true, candidates[at]
		}
	}
	return f
}

// shown is a claim for people.
func shown(value any) string {
	if text, ok := value.(string); ok {
		return printable.Clip(printable.Line(text))
	}
	text, err := json.Marshal(value)
	if err != nil { // it came out of JSON
		return "?"
	}
	return printable.Clip(printable.Line(string(text)))
}
