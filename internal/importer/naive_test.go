package importer_test

import (
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/importer"
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
	LDAP  map[string]string    `json:"ldap_auth,omitempty"`
	ACL   []naiveRule          `json:"acl"`
	// strangers are users of LDAP, who may have labels, too.
	strangers map[string]naiveUser
}

type naiveRequest struct {
	account, kind, name, service string
	labels                       map[string][]string
	address                      bool
}

func (r naiveRequest) field(name string) string {
	switch name {
	case "account":
		return r.account
	case "type":
		return r.kind
	case "name":
		return r.name
	case "service":
		return r.service
	}
	return ""
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

// naiveMatched remembers what was compared: most patterns are compared often.
var naiveMatched = map[[2]string]bool{}

func naiveMatch(pattern, text string) bool {
	matched, known := naiveMatched[[2]string{pattern, text}]
	if known {
		return matched
	}
	if len(pattern) > 2 && pattern[0] == '/' && pattern[len(pattern)-1] == '/' {
		re := naiveRegexp(pattern[1 : len(pattern)-1])
		matched = re != nil && re.MatchString(text)
	} else {
		ok, err := path.Match(pattern, text)
		matched = ok && err == nil
	}
	naiveMatched[[2]string{pattern, text}] = matched
	return matched
}

// naivePieces takes a pattern apart: what stands at odd places is in it as ${…}.
func naivePieces(pattern string) []string {
	pieces, known := naiveTakenApart[pattern]
	if !known {
		end := 0
		for _, at := range naivePlaceholder.FindAllStringIndex(pattern, -1) {
			pieces = append(pieces, pattern[end:at[0]], pattern[at[0]:at[1]])
			end = at[1]
		}
		pieces = append(pieces, pattern[end:])
		naiveTakenApart[pattern] = pieces
	}
	return pieces
}

var (
	naivePlaceholder = regexp.MustCompile(`\$\{[^{}]*\}`)
	naiveTakenApart  = map[string][]string{}
)

// value is what a placeholder stands for, other than a label. One that stands
// for nothing remains as it is.
func (rule naiveRule) value(placeholder string, r naiveRequest) string {
	name := placeholder[len("${") : len(placeholder)-len("}")]
	switch name {
	case "account", "type", "name", "service":
		return regexp.QuoteMeta(r.field(name))
	}
	found := naiveCapture.FindStringSubmatch(placeholder)
	if found == nil {
		return placeholder
	}
	source, _ := rule.Match[found[1]].(string)
	if !strings.HasPrefix(source, "/") || !strings.HasSuffix(source, "/") || len(source) < 3 {
		return placeholder
	}
	n, _ := strconv.Atoi(found[2])
	if groups := naiveRegexp(source[1 : len(source)-1]).FindStringSubmatch(r.field(found[1])); n >= 1 && n < len(groups) {
		return groups[n]
	}
	return placeholder
}

// matches decides one condition, trying each way to put labels in.
func (rule naiveRule) matches(pattern, text string, r naiveRequest, withLabels bool) bool {
	if !strings.Contains(pattern, "${") {
		return naiveMatch(pattern, text)
	}
	pieces := slices.Clone(naivePieces(pattern))
	for i := 1; i < len(pieces); i += 2 {
		pieces[i] = rule.value(pieces[i], r)
	}
	filled := [][]string{pieces}
	if withLabels {
		for label, values := range r.labels {
			if key := "${labels:" + label + "}"; slices.Contains(pieces, key) {
				var next [][]string
				for _, before := range filled {
					for _, value := range values {
						with := slices.Clone(before)
						for i, piece := range with {
							if piece == key {
								with[i] = value
							}
						}
						next = append(next, with)
					}
				}
				filled = next
			}
		}
	}
	for _, one := range append(filled, pieces) {
		if naiveMatch(strings.Join(one, ""), text) {
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

// everybody is who may log in: those of the file where they are.
var everybody = []string{"alice", "bob", "a.b", "web", "ci-1", "u@web", "zoe", "app", "dev-1", "z", "1"}

func randomUser(r *rand.Rand) naiveUser {
	labels := map[string][]string{}
	for _, label := range []string{"team", "role"} {
		for _, value := range []string{"web", "ops", "web/*", "Alice"} {
			if r.IntN(4) == 0 {
				labels[label] = append(labels[label], value)
			}
		}
	}
	return naiveUser{labels}
}

func randomConfig(r *rand.Rand) naiveConfig {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	c := naiveConfig{Users: map[string]naiveUser{}, strangers: map[string]naiveUser{}}
	for i, name := range everybody {
		if i < 6 && r.IntN(3) > 0 {
			c.Users[name] = randomUser(r)
		} else {
			c.strangers[name] = randomUser(r)
		}
	}
	if r.IntN(2) == 0 {
		c.Users[""] = naiveUser{}
	}
	if r.IntN(2) == 0 {
		c.LDAP = map[string]string{"addr": "ldap.example.com"}
	}
	for range 1 + r.IntN(5) {
		rule := naiveRule{Match: map[string]any{}, Actions: [][]string{{"*"}, {"pull"}, {"pull", "push"}, {}, {"delete", "pull"}, {"push"}, {"*", "pull"}, {"delete"}}[r.IntN(8)]}
		switch r.IntN(8) {
		case 0, 1, 2:
			rule.Match["account"] = pick("/.+/", "/.*/", "?*", "*", "/^.+$/", "/./", "/(.+)/")
		case 3, 4:
			rule.Match["account"] = pick("alice", "bob", "", "web", "zoe", "u@web")
		case 5:
			rule.Match["account"] = pick("/^(alice|bob)$/", "a*", "/^[a-z]+$/", "${labels:team}", "/^.*@(.+)$/", "/(.)/", "/^${name:1}$/", "${account}", "/^z/", "/^dev-.*$/", "dev-*", "/^$/", "[a-z]*")
		case 6:
			rule.Match["account"] = pick("${name:1}", "${name:2}", "${name:1}")
		}
		switch r.IntN(8) {
		case 0, 1, 2, 3:
			rule.Match["name"] = pick(
				"*", "*/*", "web/*", "web/**", "${account}/*", "${account}", "/^web/.*$/", "/^web/", "/.*/", "/.+/", "/^${account}/.+$/", "/^${account}.*$/", "web-*", "*-a", "web", "a/*/app", "**", "catalog",
				"/^([^/]+)/.*$/", "/^([^/]+)$/", "/^web/([^/]+)$/", "${labels:team}/*", "${labels:team}/${labels:role}", "${labels:team}", "/^web[^/]*$/", "/^web-[^/]+$/", "/^[^/]+/app$/", "/^web.+$/", "/^web-.+$/",
				"x-${account}/*", "*/${account}", "/^[^/]+/([^/]+)/.*$/", "/^${labels:team}/.*$/", "web-*/**", "*e*/*")
		case 4, 5:
			rule.Match["name"] = pick(
				"web-[ab]/*", "w?b/*", "/web/", "/^.+/app$/", "/^(web|ops)/.*$/", "/^(.+)/app$/", "${account:1}/*", "/^[a-z]+/app$/", "[^a]*/app", "/^[^${account}]/", "/^web(/[^/]+)*$/", "/^web(/[^/]+)+$/",
				"/app$/", "/^w(e|o)b-?[a-z]*/", "/^.*-a$/", "/^w.*b$/", "/\\bapp\\b/", "${name}", "/(?i)^WEB//", "/^(?:web|${account})/app$/", "/^(web|a)/(app)$/", "/^a.*/b/", "[", "/^${account:1}$/",
				"/^a[^/]+b$/", "/^w[^/]+/app$/", "/^(w[^/]+)/.*$/", "/^([^/]+)-.*$/", "/^([^/]+)/", "/^web/?([^/]+)$/", "/^.*/([^/]+)$/", "[${account}]*/*", "/^${account}?/", "/^([^/]+?)/.*$/", "/^web$|^${labels:team}/",
				"/^[^/]*[^/]+$/", "/^[^/]+.*$/", "/^a-[^/]+-b$/", "\\web/*", "{username}/*", "/^web/{username}/.*$/", "web-[${labels:team}]", "/^(${account})/(.*)$/", "/^([^/]+)/([^/]+)$/")
		}
		if r.IntN(4) == 0 {
			rule.Match["type"] = pick("repository", "registry", "re*", "/^reg/", "${type}", "/r(.+)/")
		}
		if r.IntN(10) == 0 {
			rule.Match["ip"] = "10.0.0.0/8"
		}
		if r.IntN(8) == 0 {
			rule.Match["service"] = pick("hub", "h*", "other", "/./", "${service}")
		}
		if r.IntN(5) == 0 {
			rule.Match["labels"] = map[string]any{pick("team", "role"): pick("web", "/web|ops/", "*", "${account}", "/^${account}/", "Alice")}
		}
		c.ACL = append(c.ACL, rule)
	}
	return c
}

// granted is what a document gives an account.
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

// requestedNames are those of all repositories that are asked for.
var requestedNames = func() []string {
	parts := []string{"a", "web", "app", "ops", "alice", "a.b", "web-a", "b"}
	names := slices.Clone(parts)
	for _, one := range parts {
		for _, two := range parts {
			names = append(names, one+"/"+two)
			if one < "b" {
				names = append(names, one+"/"+two+"/app", "web/"+one+"/"+two, one+"/"+two+"/x/y")
			}
		}
	}
	return append(names, "host:5000/a", "[a]/b", "web-b/app", "catalog", "w0b/x", "bob/x", "xwebx", "u/app", "z/app", "zoe/a", "zoe/app", "web/a/b/c/app", "[::1]/x", "1/x", "ci-1/x", "dev-1/x", "x-web/y",
		"x-zoe/app", "ab", "axb", "a-b", "a--b", "a-x-b", "webx", "web.x/y", "web-x/y/z", "web/zoe/app", "username/app", "web/username/x", "t/x", "web-t", "app/zoe", "alicex/y", "web/zoe")
}()

// checkNeverMore imports a random configuration, and asks for repositories
// before and after. It returns how many answers it compared, and the numbers of
// actions that were carried over and not.
func checkNeverMore(t *testing.T, seed uint64, most int) (asked, given, lost int) {
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
	told := slices.ContainsFunc(result.Findings, func(f importer.Finding) bool {
		return f.Severity == importer.Warning && strings.HasPrefix(f.What, "rule ")
	})
	document, err := result.Document.Bytes(state.YAML)
	require.NoError(t, err)
	names := slices.Clone(requestedNames)
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	names = names[:min(most, len(names))]

	for _, who := range slices.Concat(everybody, []string{""}) {
		if who == "" && !anonymous {
			continue
		}
		rights := granted(result.Document, who)
		old := func(account, kind, name string) access.Actions {
			if account == "" && !anonymous {
				return 0
			}
			user, inFile := c.Users[account]
			if !inFile {
				user = c.strangers[account]
			}
			actions := access.All
			for _, service := range services {
				actions &= c.always(naiveRequest{account: account, kind: kind, name: name, service: service, labels: user.Labels})
			}
			return actions
		}
		check := func(kind access.Type, name string) {
			before, without, after := old(who, string(kind), name), old("", string(kind), name), rights.Allowed(kind, name)
			asked++
			if !assert.True(t, (before | without).Has(after)) {
				t.Fatalf("seed %d: %q may %s on %s, before %s and without credentials %s:\n%s\n%s\n%s",
					seed, who, after, name, before, without, text, document, findings(result))
			}
			_, carried := c.Users[who]
			rest := before &^ after
			if carried {
				given, lost = given+len(after.List()), lost+len(rest.List())
			}
			if rest != 0 && (carried || c.LDAP != nil) && !assert.True(t, told) {
				t.Fatalf("seed %d: %q lost %s on %s, and nothing says so:\n%s\n%s\n%s", seed, who, rest, name, text, document, findings(result))
			}
		}
		check(access.Registry, "catalog")
		for _, name := range names {
			check(access.Repository, name)
		}
	}
	return asked, given, lost
}

// No document gives an account what the rules did not give before, logged in or
// without credentials: nor users of LDAP and those who are made later. What is
// lost is reported.
func TestDockerAuthNeverGivesMore(t *testing.T) {
	var asked, given, lost int
	for seed := range uint64(300) {
		a, g, l := checkNeverMore(t, seed, 30)
		asked, given, lost = asked+a, given+g, lost+l
	}
	t.Logf("%d answers compared, %d actions carried over, %d not", asked, given, lost)
	require.Greater(t, given, lost, "most of it is carried over")
}

func FuzzDockerAuthNeverGivesMore(f *testing.F) {
	f.Add(uint64(0))
	f.Fuzz(func(t *testing.T, seed uint64) { checkNeverMore(t, seed, len(requestedNames)) })
}
