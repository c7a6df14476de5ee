package frame

import (
	"slices"
	"strings"
)

// link is one of the navigation.
type link struct {
	// Path is that below [Root].
	Path, Title string
	// also are the paths of further pages that belong to it.
	also []string
}

// linkGroup is what belongs together, under a heading.
type linkGroup struct {
	Title string
	Links []link
}

// forPeople has a line for each page of everybody that is worth one.
var forPeople = []link{
	{Path: "", Title: "Start"},
	{Path: "repositories", Title: "Repositories"},
	{Path: "credentials", Title: "Credentials"},
	{Path: "sessions", Title: "Logins"},
	{Path: "password", Title: "Password"},
}

// forAdmins has the same for admins alone: who may do what, by which signatures, and
// what there is on record.
var forAdmins = []linkGroup{
	{"Access", []link{
		{Path: "users", Title: "Users"},
		{Path: "robots", Title: "Robots"},
		{Path: "groups", Title: "Groups"},
		{Path: "tokens", Title: "Tokens"},
	}},
	{"Trust", []link{
		{Path: "issuers", Title: "Issuers", also: []string{"new-issuer", "try-token"}},
		{Path: "bindings", Title: "Bindings", also: []string{"new-binding"}},
		{Path: "keys", Title: "Keys"},
	}},
	{"Records", []link{
		{Path: "audit", Title: "Audit"},
		{Path: "lockouts", Title: "Lockouts"},
		{Path: "state", Title: "State"},
	}},
}

// Navigation are the links of everybody, for who is signed in.
func (c *View) Navigation() []link {
	if c.visit.Viewer == nil {
		return nil
	}
	return forPeople
}

// Administration are the links of admins, for one of them.
func (c *View) Administration() []linkGroup {
	if c.visit.Viewer == nil || !c.visit.Viewer.Admin {
		return nil
	}
	return forAdmins
}

// Current says for aria-current how a link stands to the page: page for its own, true
// for one that belongs to it, and empty for any other.
func (c *View) Current(l link) string {
	here := strings.TrimPrefix(c.visit.URL.Path, Root)
	belongs := func(path string) bool { return here == path || strings.HasPrefix(here, path+"/") }
	switch {
	case here == l.Path:
		return "page"
	case l.Path != "" && belongs(l.Path), slices.ContainsFunc(l.also, belongs):
		return "true"
	default:
		return ""
	}
}
