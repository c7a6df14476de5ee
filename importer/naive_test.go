package importer_test

import (
	"maps"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/importer"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// This is the evaluation of an ACL of docker_auth a second time, one request
// after the other, without a line of the importer.

type naiveRule struct {
	Match   map[string]any `json:"match"`
	Actions []string       `json:"actions"`
}

type naiveUser struct {
	Labels map[string][]string `json:"labels,omitempty"`
}

type naiveConfig struct {
	Users map[string]naiveUser `json:"users"`
	ACL   []naiveRule          `json:"acl"`
}

type naiveRequest struct {
	account, kind, name, service string
	labels                       map[string][]string
	address                      bool
}

func (r naiveRequest) field(name string) string {
	return map[string]string{"account": r.account, "type": r.kind, "name": r.name, "service": r.service}[name]
}

var naiveCapture = regexp.MustCompile(`\$\{(account|type|name|service):(\d)\}`)

var naiveCompiled = map[string]*regexp.Regexp{}

func naiveRegexp(expression string) *regexp.Regexp {
	if re, known := naiveCompiled[expression]; known {
		return re
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		re = nil
	}
	naiveCompiled[expression] = re
	return re
}

// matches decides one condition, trying each way to put labels in.
func (rule naiveRule) matches(pattern, text string, r naiveRequest, withLabels bool) bool {
	var replace []string
	for _, field := range []string{"account", "type", "name", "service"} {
		if strings.Contains(pattern, "${") {
			replace = append(replace, "${"+field+"}", regexp.QuoteMeta(r.field(field)))
		}
	}
	for _, found := range naiveCapture.FindAllStringSubmatch(pattern, -1) {
		source, _ := rule.Match[found[1]].(string)
		if !strings.HasPrefix(source, "/") || !strings.HasSuffix(source, "/") || len(source) < 3 {
			continue
		}
		n, _ := strconv.Atoi(found[2])
		if groups := naiveRegexp(source[1 : len(source)-1]).FindStringSubmatch(r.field(found[1])); n >= 1 && n < len(groups) {
			replace = append(replace, found[0], groups[n])
		}
	}
	filled := [][]string{nil}
	if withLabels {
		for label, values := range r.labels {
			if key := "${labels:" + label + "}"; strings.Contains(pattern, key) {
				var next [][]string
				for _, before := range filled {
					for _, value := range values {
						next = append(next, slices.Concat(before, []string{key, value}))
					}
				}
				filled = next
			}
		}
	}
	for _, more := range append(filled, nil) {
		p := pattern
		if strings.Contains(p, "${") {
			p = strings.NewReplacer(slices.Concat(replace, more)...).Replace(p)
		}
		if len(p) > 2 && p[0] == '/' && p[len(p)-1] == '/' {
			if re := naiveRegexp(p[1 : len(p)-1]); re != nil && re.MatchString(text) {
				return true
			}
		} else if ok, err := path.Match(p, text); err == nil && ok {
			return true
		}
	}
	return false
}

// decide is the actions that the first rule that matches gives.
func (c naiveConfig) decide(r naiveRequest) access.Actions {
	for _, rule := range c.ACL {
		matched := true
		for condition, value := range rule.Match {
			switch condition {
			case "ip":
				matched = matched && r.address
			case "labels":
				for label, pattern := range value.(map[string]any) {
					matched = matched && slices.ContainsFunc(r.labels[label], func(v string) bool { return rule.matches(pattern.(string), v, r, false) })
				}
			default:
				matched = matched && rule.matches(value.(string), r.field(condition), r, true)
			}
		}
		if !matched {
			continue
		}
		if slices.Equal(rule.Actions, []string{"*"}) {
			return access.All
		}
		var actions access.Actions
		for _, action := range rule.Actions {
			if parsed, err := access.ParseActions(action); err == nil && action != "*" {
				actions |= parsed
			}
			if action == "*" && r.kind == "registry" {
				actions = access.All
			}
		}
		if r.kind == "registry" && actions != access.All {
			return 0
		}
		return actions
	}
	return 0
}

// always is what a request gets whatever address it comes from.
func (c naiveConfig) always(r naiveRequest) access.Actions {
	near, far := r, r
	near.address, far.address = true, false
	return c.decide(near) & c.decide(far)
}

func randomConfig(r *rand.Rand) naiveConfig {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	c := naiveConfig{Users: map[string]naiveUser{}}
	for _, name := range []string{"alice", "bob", "a.b", "web", "ci-1", "u@web"} {
		if r.IntN(3) > 0 {
			labels := map[string][]string{}
			for _, label := range []string{"team", "role"} {
				for _, value := range []string{"web", "ops", "web/*", "Alice"} {
					if r.IntN(4) == 0 {
						labels[label] = append(labels[label], value)
					}
				}
			}
			c.Users[name] = naiveUser{labels}
		}
	}
	if r.IntN(2) == 0 {
		c.Users[""] = naiveUser{}
	}
	for range 1 + r.IntN(5) {
		rule := naiveRule{Match: map[string]any{}, Actions: [][]string{{"*"}, {"pull"}, {"pull", "push"}, {}, {"delete", "pull"}, {"push"}, {"*", "pull"}}[r.IntN(7)]}
		if r.IntN(4) > 0 {
			rule.Match["account"] = pick("alice", "bob", "", "/.+/", "*", "/^(alice|bob)$/", "a*", "/^[a-z]+$/", "${labels:team}", "${name:1}", "/^.*@(.+)$/", "?*", "/(.)/", "web", "/^${name:1}$/", "zoe", "${account}", "/^z/")
		}
		if r.IntN(4) > 0 {
			rule.Match["name"] = pick(
				"*", "*/*", "web/*", "web/**", "${account}/*", "${account}", "web-[ab]/*", "w?b/*", "/^web/.*$/", "/^web/", "/web/", "/.*/", "/^.+/app$/", "/^(web|ops)/.*$/",
				"/^([^/]+)/.*$/", "/^([^/]+)$/", "/^web/([^/]+)$/", "/^(.+)/app$/", "${labels:team}/*", "${labels:team}/${labels:role}", "${labels:team}", "${account:1}/*", "/^${account}/.+$/",
				"/^[a-z]+/app$/", "[^a]*/app", "/^[^${account}]/", "/^web(/[^/]+)*$/", "/^web(/[^/]+)+$/", "/app$/", "/^w(e|o)b-?[a-z]*/", "/^.*-a$/", "/^w.*b$/", "catalog", "/\\bapp\\b/", "web", "${name}", "/(?i)^WEB//",
				"/^(?:web|${account})/app$/", "/^(web|a)/(app)$/", "/^a.*/b/", "[", "/^${account:1}$/")
		}
		if r.IntN(4) == 0 {
			rule.Match["type"] = pick("repository", "registry", "re*", "/^reg/", "${type}", "/r(.+)/")
		}
		if r.IntN(8) == 0 {
			rule.Match["ip"] = "10.0.0.0/8"
		}
		if r.IntN(6) == 0 {
			rule.Match["service"] = pick("hub", "h*", "other", "/./", "${service}")
		}
		if r.IntN(4) == 0 {
			rule.Match["labels"] = map[string]any{pick("team", "role"): pick("web", "/web|ops/", "*", "${account}", "/^${account}/", "Alice")}
		}
		c.ACL = append(c.ACL, rule)
	}
	return c
}

// granted is what a document gives somebody.
func granted(d *state.Document, who string) *access.Rights {
	var permissions []access.Permission
	user := subject.Ref{Kind: subject.User, Name: who}
	for _, s := range d.Subjects {
		if s.Ref == subject.Anonymous || who != "" && (s.Ref == subject.Authenticated || s.Ref == user || slices.Contains(s.Members, user)) {
			permissions = append(permissions, s.Permissions...)
		}
	}
	return access.NewRights(who, permissions)
}

func requestedNames() []string {
	parts := []string{"a", "web", "app", "ops", "alice", "a.b", "web-a", "b"}
	names := slices.Clone(parts)
	for _, one := range parts {
		for _, two := range parts {
			names = append(names, one+"/"+two)
			if one < "b" {
				names = append(names, one+"/"+two+"/app", "web/"+one+"/"+two)
			}
		}
	}
	return append(names, "host:5000/a", "[a]/b", "web-b/app", "catalog", "w0b/x", "bob/x", "xwebx", "u/app", "z/app", "somebody/a", "zoe/app", "web/a/b/c/app")
}

// No document gives anybody what the rules did not give before, logged in or
// without credentials: nor users that are made later.
func TestDockerAuthNeverGivesMore(t *testing.T) {
	names := requestedNames()
	var given, lost, missing int
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		c := randomConfig(r)
		text, err := yaml.Marshal(c)
		require.NoError(t, err)
		var options importer.DockerAuthOptions
		services := []string{"hub", "other"}
		if r.IntN(2) == 0 {
			options.Service, services = "hub", []string{"hub"}
		}
		result, err := importer.DockerAuth(strings.NewReader(string(text)), options)
		require.NoError(t, err, "seed %d:\n%s", seed, text)
		_, anonymous := c.Users[""]
		told := slices.ContainsFunc(result.Findings, func(f importer.Finding) bool { return f.Severity != importer.Info })
		document, err := result.Document.Bytes(state.YAML)
		require.NoError(t, err)
		findings := findings(result)

		for _, who := range slices.Concat(slices.Collect(maps.Keys(c.Users)), []string{"zoe", "app", "ops", "z"}) {
			rights := granted(result.Document, who)
			old := func(account, kind, name string) access.Actions {
				if account == "" && !anonymous {
					return 0
				}
				actions := access.All
				for _, service := range services {
					actions &= c.always(naiveRequest{account: account, kind: kind, name: name, service: service, labels: c.Users[account].Labels})
				}
				return actions
			}
			check := func(kind access.Type, name string) {
				before, without, after := old(who, string(kind), name), old("", string(kind), name), rights.Allowed(kind, name)
				require.True(t, (before | without).Has(after), "seed %d: %s may %s on %s, before %s and without credentials %s:\n%s\n%s\n%s",
					seed, who, after, name, before, without, text, document, findings)
				if _, carried := c.Users[who]; carried {
					given += len(after.List())
					if rest := before &^ after; rest != 0 {
						lost += len(rest.List())
						if !told {
							missing++
							t.Errorf("seed %d: %s lost %s on %s, and nothing tells so:\n%s\n%s\n%s", seed, who, rest, name, text, document, findings)
						}
					}
				}
			}
			check(access.Registry, "catalog")
			for _, name := range names {
				check(access.Repository, name)
			}
		}
		if missing > 3 {
			break
		}
	}
	t.Logf("%d actions carried over, %d not", given, lost)
	require.Greater(t, given, lost, "most of it is carried over")
}
