package frame

import "strings"

// link is one of the navigation.
type link struct {
	// Path is that below [Root].
	Path, Title string
	// Admin is set for what is for admins alone.
	Admin bool
}

// navigation has a line for each page that is worth one.
var navigation = []link{
	{Path: "", Title: "Start"},
	{Path: "repositories", Title: "Repositories"},
	{Path: "credentials", Title: "Credentials"},
	{Path: "sessions", Title: "Logins"},
	{Path: "password", Title: "Password"},
	{Path: "users", Title: "Users", Admin: true},
	{Path: "robots", Title: "Robots", Admin: true},
	{Path: "groups", Title: "Groups", Admin: true},
	{Path: "tokens", Title: "Tokens", Admin: true},
	{Path: "state", Title: "State", Admin: true},
	{Path: "issuers", Title: "Issuers", Admin: true},
	{Path: "bindings", Title: "Bindings", Admin: true},
	{Path: "keys", Title: "Keys", Admin: true},
	{Path: "audit", Title: "Audit", Admin: true},
	{Path: "lockouts", Title: "Lockouts", Admin: true},
}

// Navigation are the links for who looks.
func (c *View) Navigation() []link {
	if c.visit.Viewer == nil {
		return nil
	}
	var links []link
	for _, l := range navigation {
		if !l.Admin || c.visit.Viewer.Admin {
			links = append(links, l)
		}
	}
	return links
}

// At reports whether the page is the one of a link, or stands below it.
func (c *View) At(l link) bool {
	here := strings.TrimPrefix(c.visit.URL.Path, Root)
	return here == l.Path || l.Path != "" && strings.HasPrefix(here, l.Path+"/")
}
