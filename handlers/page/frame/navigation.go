package frame

import (
	"slices"
	"strings"
)

// Link is one of the navigation.
type Link struct {
	// Path is that below [Root].
	Path, Title string
	// also are the paths of further pages that belong to it.
	also []string
}

// LinkGroup is what belongs together, under a heading.
type LinkGroup struct {
	Title string
	Links []Link
}

// forPeople has a line for each page of everybody that is worth one.
var forPeople = []Link{
	{Path: "", Title: "Start"},
	{Path: "repositories", Title: "Repositories"},
	{Path: "credentials", Title: "Credentials"},
	{Path: "sessions", Title: "Logins"},
	{Path: "password", Title: "Password"},
}

// forAdmins has the same for admins alone: who may do what, by which signatures, and
// what there is on record.
var forAdmins = []LinkGroup{
	{"Access", []Link{
		{Path: "users", Title: "Users"},
		{Path: "robots", Title: "Robots"},
		{Path: "groups", Title: "Groups"},
		{Path: "tokens", Title: "Tokens"},
	}},
	{"Trust", []Link{
		{Path: "issuers", Title: "Issuers", also: []string{"new-issuer", "try-token"}},
		{Path: "bindings", Title: "Bindings", also: []string{"new-binding"}},
		{Path: "keys", Title: "Keys"},
	}},
	{"Records", []Link{
		{Path: "audit", Title: "Audit"},
		{Path: "lockouts", Title: "Lockouts"},
		{Path: "state", Title: "State"},
	}},
}

// Navigation are the links of everybody, for who is signed in.
func (c *View) Navigation() []Link {
	if c.visit.Viewer == nil {
		return nil
	}
	return forPeople
}

// Administration are the links of admins, for one of them.
func (c *View) Administration() []LinkGroup {
	if c.visit.Viewer == nil || !c.visit.Viewer.Admin {
		return nil
	}
	return forAdmins
}

// Current says for aria-current how a link stands to the page: page for its own, true
// for one that belongs to it, and empty for any other.
func (c *View) Current(l Link) string {
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
