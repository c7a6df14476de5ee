// Package accesstest has random policies for tests, and evaluates them a second time:
// out of texts and regular expressions only, slowly, and without a line of package
// access. It is not safe for concurrent use.
package accesstest

import (
	"regexp"
	"strings"
)

const (
	naiveWord     = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`
	naiveHost     = `(?:[a-z0-9]+(?:(?:\.|-+)[a-z0-9]+)*|\[[0-9a-f:]+\])(?::[0-9]+)?`
	naivePart     = `(?:\*\*|(?:[a-z0-9*]|\{username\})+(?:(?:\.|_|__|-+)(?:[a-z0-9*]|\{username\})+)*)`
	naiveHostPart = `(?:(?:[a-z0-9*]|\{username\})+(?:(?:\.|-+)(?:[a-z0-9*]|\{username\})+)*|\[[0-9a-f:]+\]):(?:[0-9*]|\{username\})+`

	naiveName       = `(?:` + naiveHost + `/)?` + naiveWord + `(?:/` + naiveWord + `)*`
	naiveRepository = `(?:` + naiveHostPart + `/)?` + naivePart + `(?:/` + naivePart + `)*`
	naiveNamespace  = `(?:` + naiveHostPart + `|` + naivePart + `)(?:/` + naivePart + `)*`
	naiveActionSet  = `(?:pull|push|delete|\*)(?:,(?:pull|push|delete|\*))*`
	naiveAsked      = `repository(?:\([a-z0-9]+\))?`
)

var (
	naiveExpressions = map[string]*regexp.Regexp{}
	naiveAnswers     = map[[2]string]bool{}
)

// naiveIs reports whether all of text is what the expression says. It remembers
// its answers: regular expressions are slow under the race detector.
func naiveIs(expression, text string) bool {
	answer, known := naiveAnswers[[2]string{expression, text}]
	if !known {
		if len(naiveAnswers) > 100_000 {
			clear(naiveAnswers)
			clear(naiveExpressions)
		}
		compiled, ok := naiveExpressions[expression]
		if !ok {
			compiled = regexp.MustCompile(`^(?:` + expression + `)$`)
			naiveExpressions[expression] = compiled
		}
		answer = compiled.MatchString(text)
		naiveAnswers[[2]string{expression, text}] = answer
	}
	return answer
}

// IsPart reports whether a text is one component of the name of a repository.
func IsPart(text string) bool { return naiveIs(naiveWord, text) }

// naiveCut takes a text apart into type, name and actions.
func naiveCut(text string) (kind, name, actions string, ok bool) {
	words := strings.Split(text, ":")
	if len(words) < 3 {
		return "", "", "", false
	}
	last := len(words) - 1
	return words[0], strings.Join(words[1:last], ":"), words[last], true
}

// Match translates the pattern to a regular expression over names that end
// in a slash.
func Match(pattern, username, name string) bool {
	if strings.Contains(pattern, "{username}") && username == "" {
		return false
	}
	var expression strings.Builder
	for part := range strings.SplitSeq(pattern, "/") {
		if part == "**" {
			expression.WriteString(`(?:[^/]+/)*`)
			continue
		}
		quoted := regexp.QuoteMeta(part)
		quoted = strings.ReplaceAll(quoted, `\*`, `[^/]*`)
		quoted = strings.ReplaceAll(quoted, `\{username\}`, regexp.QuoteMeta(strings.ToValidUTF8(strings.ReplaceAll(username, "/", "\x00"), "\x00")))
		expression.WriteString(quoted + "/")
	}
	return naiveIs(expression.String(), name+"/")
}

// naiveActions is the list in canonical order, "*" expanded.
func naiveActions(list string) string {
	var found []string
	for _, action := range []string{"pull", "push", "delete"} {
		for given := range strings.SplitSeq(list, ",") {
			if given == action || given == "*" {
				found = append(found, action)
				break
			}
		}
	}
	return strings.Join(found, ",")
}

// Permission is a permission taken apart: a pattern and ",pull,push,".
type Permission struct{ pattern, actions string }

// Policy takes permissions apart and leaves out those outside the syntax.
func Policy(permissions []string) []Permission {
	var policy []Permission
	for _, permission := range permissions {
		kind, name, list, ok := naiveCut(permission)
		if !ok || naiveDoubled(name) || !naiveIs(naiveActionSet, list) {
			continue
		}
		switch {
		case kind == "repository" && naiveIs(naiveRepository, name):
		case kind == "namespace" && naiveIs(naiveNamespace, name):
			name += "/**"
		default:
			continue
		}
		actions := "," + naiveActions(list) + ","
		if strings.Contains(actions, ",push,") {
			actions += "pull,"
		}
		policy = append(policy, Permission{name, actions})
	}
	return policy
}

// Allows reports whether one of the permissions gives an action on a
// repository.
func Allows(username string, policy []Permission, name, action string) bool {
	for _, permission := range policy {
		if strings.Contains(permission.actions, ","+action+",") && Match(permission.pattern, username, name) {
			return true
		}
	}
	return false
}

// naiveDoubled finds ** that is only a part of a component.
func naiveDoubled(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part != "**" && strings.Contains(part, "**") {
			return true
		}
	}
	return false
}

// naiveAsks reports whether a scope says anything.
func naiveAsks(name, actions string) bool {
	return naiveActions(actions) != "" && (name == "" || naiveIs(naiveName, name))
}

// Grant answers a request with scopes as texts, in the order of asking. The
// policy is that of the permissions.
func Grant(username string, permissions []string, policy []Permission, asked []string, zot bool) []string {
	var order []string
	merged := map[string]string{}
	for scope := range strings.FieldsSeq(strings.Join(asked, " ")) {
		kind, name, actions, ok := naiveCut(scope)
		key := "repository:" + name
		switch {
		case ok && naiveIs(naiveAsked, kind) && naiveAsks(name, actions):
		case scope == "registry:catalog:*":
			key = "registry:catalog"
		default:
			continue
		}
		if _, seen := merged[key]; !seen {
			order = append(order, key)
		}
		merged[key] += "," + actions
	}
	catalog := false
	for _, permission := range permissions {
		if permission == "registry:catalog:*" || permission == "registry:catalog:pull,push,delete" {
			catalog = true
		}
	}
	var granted []string
	for _, key := range order {
		var given []string
		for action := range strings.SplitSeq(naiveActions(merged[key]), ",") {
			switch name := strings.TrimPrefix(key, "repository:"); {
			case action == "":
			case key == "registry:catalog":
				if catalog {
					given = []string{"*"}
				}
			case name == "":
				if zot && catalog && action == "pull" {
					given = []string{"pull"}
				}
			case Allows(username, policy, name, action):
				given = append(given, action)
			}
		}
		if len(given) > 0 {
			granted = append(granted, key+":"+strings.Join(given, ","))
		}
	}
	return granted
}
