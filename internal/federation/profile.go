package federation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Claim is one that tokens of a kind are known to have.
type Claim struct {
	Name string
	// Help is what it says, in half a sentence.
	Help string
	// IDOf are the claims with the names of what this one is an id of, which is
	// never given to another.
	IDOf []string
}

// profile is what is known of a kind.
type profile struct {
	title string
	// claims are listed with those to bind to first.
	claims []Claim
	// families are how further claims begin, which customers define.
	families []string
	// shared reports whether an issuer signs for more than one customer.
	shared func(url string) bool
	// owners are the claims that may say whose a job is.
	owners    []owner
	ownerHint string
	// protects reports whether not every job, of every branch, may push. Without
	// it nothing is known of that.
	protects    func(c *check) bool
	protectHint string
	// separates is the claim that distinguishes customers of the issuer: where
	// permissions name it, each has its own, and strangers are none.
	separates string
	// fault is what else speaks against a binding.
	fault func(c *check) string
	// warn says what else is to be known.
	warn func(c *check)
	// job are the claims that say which job or workload it is, for people.
	job []string
	// check says why a token is none of such an issuer, or nothing.
	check func(Claims) string
	// idHints say how to find the id of a NAME, by the claim with the name.
	idHints map[string]string
}

// owner is a claim that says whose a job is, if its value is fixed as far as that.
type owner struct {
	claim string
	fixed func(value string) bool
	// with is a claim that must be true besides, if any.
	with string
}

var profiles = map[Kind]profile{
	GitHub: github, GitLab: gitlab, Buildkite: buildkite, CircleCI: circleCI, Bitbucket: bitbucket, Kubernetes: kubernetes, Google: google,
	Generic: {title: "the issuer"},
}

// KnownClaims are those that tokens of the kind are known to have, those to bind to
// first. It is nil for [Generic].
func (k Kind) KnownClaims() []Claim { return slices.Clone(profiles[k].claims) }

// JobClaims are those that tell people which job, run or workload a token is of.
func (k Kind) JobClaims() []string { return slices.Clone(profiles[k].job) }

// ErrClaims is returned for claims that no token has that says which job or
// workload a client is.
var ErrClaims = errors.New("token is of another sort")

// CheckClaims reports why claims are not those of a job or workload of such an
// issuer, or nil. Errors: [ErrClaims].
func (k Kind) CheckClaims(claims Claims) error {
	if check := profiles[k].check; check != nil {
		if fault := check(claims); fault != "" {
			return fmt.Errorf("%w: %s", ErrClaims, fault)
		}
	}
	return nil
}

// Title is how the kind is called.
func (k Kind) Title() string {
	if k == Generic {
		return "OpenID Connect"
	}
	return profiles[k].title
}

// literal reports whether a value has no wildcard.
func literal(value string) bool { return !strings.Contains(value, "*") }

// firstFixed reports whether a path has its first component fixed, and more.
func firstFixed(value string) bool {
	first, _, found := strings.Cut(value, "/")
	return found && first != "" && literal(first)
}

// fixedAfter makes a test of whether a value begins so, with something fixed up to
// a mark.
func fixedAfter(prefix, mark string) func(string) bool {
	return func(value string) bool {
		rest, found := strings.CutPrefix(value, prefix)
		if !found {
			return false
		}
		name, _, found := strings.Cut(rest, mark)
		return name != "" && literal(name) && (found || literal(value))
	}
}

// anyOf makes a test of whether one of some passes.
func anyOf(tests ...func(string) bool) func(string) bool {
	return func(value string) bool {
		return slices.ContainsFunc(tests, func(test func(string) bool) bool { return test(value) })
	}
}

// anybodysRefs are such as a contributor who may make a branch or a pull request can make.
var anybodysRefs = []string{"some-branch", "some/branch", "refs/heads/some-branch", "refs/heads/some/branch", "refs/pull/1/merge", "refs/merge-requests/1/head"}

// isFixedRef reports whether not any branch and no pull request fits a value: its
// beginning has to be fixed, for who makes a branch chooses what stands before an end.
func isFixedRef(value string) bool {
	before, _, wild := strings.Cut(value, "*")
	for _, prefix := range []string{"refs/heads/", "refs/tags/", "refs/"} {
		before = strings.TrimPrefix(before, prefix)
	}
	return (before != "" || !wild) && !isOpen(value) && !slices.ContainsFunc(anybodysRefs, Condition{"ref", value}.covers) && !isPullRef(value)
}

// isPullRef reports whether a value is about a pull or merge request.
func isPullRef(value string) bool {
	return strings.HasPrefix(value, "refs/pull/") || strings.HasPrefix(value, "refs/merge-requests/")
}

// fixed reports whether not any name fits a value.
func fixed(value string) bool { return !isOpen(value) && !(Condition{"", value}).covers("some-name") }

func isTrue(value string) bool  { return value == "true" }
func isFalse(value string) bool { return value == "false" }

// part is the text of a value between two marks, or from the first to the end.
func part(value, after, before string) (string, bool) {
	_, rest, found := strings.Cut(value, after)
	if !found {
		return "", false
	}
	if before != "" {
		rest, _, _ = strings.Cut(rest, before)
	}
	return rest, true
}

// unknown are the names of claims that no token of the kind is known to have.
func (p profile) unknown(conditions []Condition) []string {
	var names []string
	for _, c := range conditions {
		known := slices.Contains(standard, c.Name) || slices.Contains(names, c.Name) ||
			slices.ContainsFunc(p.claims, func(claim Claim) bool { return claim.Name == c.Name }) ||
			slices.ContainsFunc(p.families, func(family string) bool { return strings.HasPrefix(c.Name, family) })
		if !known {
			names = append(names, c.Name)
		}
	}
	return names
}

// near is the claim that was meant by a name, as far as that can be told.
func (p profile) near(name string) string {
	for _, claim := range p.claims {
		if plain(claim.Name) == plain(name) {
			return claim.Name
		}
	}
	last := plain(name[strings.LastIndex(name, "/")+1:])
	for _, claim := range p.claims {
		if last != "" && plain(claim.Name[strings.LastIndex(claim.Name, "/")+1:]) == last {
			return claim.Name
		}
	}
	return ""
}

// plain is a name without capitals and separators.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("_-./", r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}
