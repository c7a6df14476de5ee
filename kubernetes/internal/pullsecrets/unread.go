package pullsecrets

import (
	"context"
	"time"
)

// patience is how long namespaces of a list may take to be read before the log says which are not.
const patience = 15 * time.Second

// unread are the namespaces of a list whose service accounts are not read yet.
func (c *Controller) unread() []string {
	var names []string
	for n, name := range c.options.Namespaces {
		if !c.synced[n]() {
			names = append(names, name)
		}
	}
	return names
}

// tellUnread logs which namespaces of a list are not read after a while, and again as long as there are any.
func (c *Controller) tellUnread(ctx context.Context) {
	for wait := c.unreadAfter; ; wait = resync {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		names := c.unread()
		if len(names) == 0 {
			return
		}
		c.options.Logger.Error("no pull secrets in namespaces whose service accounts cannot be read: is each there, with its Role?", "namespaces", names)
	}
}
