package access

import (
	"regexp"
	"strings"
)

// This is the evaluation of requests a second time, out of texts and regular
// expressions only, slow and without a line of the real one.

const (
	naiveWord      = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`
	naiveHost      = `(?:[a-z0-9]+(?:(?:\.|-+)[a-z0-9]+)*|\[[0-9a-f:]+\])(?::[0-9]+)?`
	naivePart      = `(?:\*\*|(?:[a-z0-9*]|\{username\})+(?:(?:\.|_|__|-+)(?:[a-z0-9*]|\{username\})+)*)`
	naiveHostPart  = `(?:(?:[a-z0-9*]|\{username\})+(?:(?:\.|-+)(?:[a-z0-9*]|\{username\})+)*|\[[0-9a-f:]+\]):(?:[0-9*]|\{username\})+`
	naiveActionSet = `((?:pull|push|delete|\*)(?:,(?:pull|push|delete|\*))*)`
)

var (
	naiveName       = regexp.MustCompile(`^(?:` + naiveHost + `/)?` + naiveWord + `(?:/` + naiveWord + `)*$`)
	naiveRepository = regexp.MustCompile(`^repository:((?:` + naiveHostPart + `/)?` + naivePart + `(?:/` + naivePart + `)*):` + naiveActionSet + `$`)
	naiveNamespace  = regexp.MustCompile(`^namespace:((?:` + naiveHostPart + `|` + naivePart + `)(?:/` + naivePart + `)*):` + naiveActionSet + `$`)
	naiveScope      = regexp.MustCompile(`^repository(?:\([a-z0-9]+\))?:(.*):([^:]*)$`)

	naiveExpressions = map[string]*regexp.Regexp{}
)

// naiveMatch translates the pattern to a regular expression over names that end
// in a slash.
func naiveMatch(pattern, username, name string) bool {
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
		quoted = strings.ReplaceAll(quoted, `\{username\}`, regexp.QuoteMeta(strings.ReplaceAll(username, "/", "\x00")))
		expression.WriteString(quoted + "/")
	}
	text := expression.String()
	compiled, ok := naiveExpressions[text]
	if !ok {
		compiled = regexp.MustCompile(`^` + text + `$`)
		naiveExpressions[text] = compiled
	}
	return compiled.MatchString(name + "/")
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

// naiveAllows reports whether one of the permissions gives an action on a
// repository.
func naiveAllows(username string, permissions []string, name, action string) bool {
	for _, permission := range permissions {
		match, below := naiveRepository.FindStringSubmatch(permission), ""
		if match == nil {
			match, below = naiveNamespace.FindStringSubmatch(permission), "/**"
		}
		if match == nil || naiveDoubled(match[1]) {
			continue
		}
		given := "," + naiveActions(match[2]) + ","
		if (strings.Contains(given, ","+action+",") || action == "pull" && strings.Contains(given, ",push,")) &&
			naiveMatch(match[1]+below, username, name) {
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
	return naiveActions(actions) != "" && (name == "" || naiveName.MatchString(name))
}

// naiveGrant answers a request with scopes as texts, in the order of asking.
func naiveGrant(username string, permissions []string, asked []string, zot bool) []string {
	var order []string
	merged := map[string]string{}
	for _, scope := range strings.Fields(strings.Join(asked, " ")) {
		key, actions := "", ""
		if match := naiveScope.FindStringSubmatch(scope); match != nil && naiveAsks(match[1], match[2]) {
			key, actions = "repository:"+match[1], match[2]
		} else if strings.HasSuffix(scope, ":catalog:*") && strings.HasPrefix(scope, "registry") {
			key, actions = "registry:catalog", "*"
		} else {
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
	granted := []string{}
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
			case naiveAllows(username, permissions, name, action):
				given = append(given, action)
			}
		}
		if len(given) > 0 {
			granted = append(granted, key+":"+strings.Join(given, ","))
		}
	}
	return granted
}
