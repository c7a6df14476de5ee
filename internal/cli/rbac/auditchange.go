package rbac

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/audit"
)

// changeOf says in one line what an entry changed: what differs between its
// states, for what came only the new and for what went only the old.
func changeOf(e audit.Entry) string {
	if e.Action.Refusal() {
		return refusedOf(e)
	}
	before, after := stateFields(e.Before), stateFields(e.After)
	names := slices.Sorted(maps.Keys(before))
	for name := range after {
		if _, both := before[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var changes []string
	for _, name := range names {
		was, is := before[name], after[name]
		if was == is {
			continue
		}
		changes = append(changes, oneChange(name, was, is))
	}
	return strings.Join(changes, ", ")
}

// refusedOf says how many refusals an entry stands for, and between when.
func refusedOf(e audit.Entry) string {
	var refused struct {
		Count       int64
		First, Last time.Time
		Others      bool
	}
	if len(e.After) == 0 || json.Unmarshal(e.After, &refused) != nil {
		return ""
	}
	text := ""
	if refused.Count > 1 {
		text = fmt.Sprintf("%d times, %s to %s", refused.Count, refused.First.Local().Format(time.TimeOnly), refused.Last.Local().Format(time.TimeOnly))
	}
	if refused.Others {
		text += " (several subjects)"
	}
	return strings.TrimSpace(text)
}

func oneChange(name, was, is string) string {
	label := name + ": "
	if name == "permission" || name == "member" {
		label = "" // which it is shows in the value
	}
	switch {
	case was == "":
		return label + is
	case is == "":
		return label + "was " + was
	default:
		return label + was + " → " + is
	}
}

// stateFields reads a state as texts. A list is its items.
func stateFields(state json.RawMessage) map[string]string {
	var raw map[string]any
	if len(state) == 0 || json.Unmarshal(state, &raw) != nil {
		return nil
	}
	fields := make(map[string]string, len(raw))
	for name, value := range raw {
		fields[name] = stateText(value)
	}
	return fields
}

func stateText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		return yesNo(v)
	case map[string]any:
		if made, ok := v["credentials"].([]any); ok {
			return madeState(v["count"], made)
		}
		return asJSON(v)
	case []any:
		texts := make([]string, len(v))
		for i, item := range v {
			texts[i] = stateText(item)
		}
		return strings.Join(texts, " ")
	default:
		return asJSON(v)
	}
}

func asJSON(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	return string(encoded)
}

// madeState is what tokens made, the first few of it.
func madeState(count any, made []any) string {
	const shown = 3
	texts := []string{asJSON(count)}
	for _, one := range made[:min(len(made), shown)] {
		fields, _ := one.(map[string]any)
		owner, _ := fields["owner"].(string)
		if id, ok := fields["access_token"].(string); ok {
			texts = append(texts, id+" of "+owner)
		} else {
			texts = append(texts, "the password of "+owner)
		}
	}
	if len(made) > shown {
		texts = append(texts, "…")
	}
	return strings.Join(texts, " ")
}
