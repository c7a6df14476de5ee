package page

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// focused is the text or the name of what has the focus.
func (b *browser) focused() string {
	b.Helper()
	return evaluate[string](b, `document.activeElement.textContent.trim() || document.activeElement.name || document.activeElement.id`)
}

// tab goes on until something has the focus, which has to be seen all the way.
func (b *browser) tab(until string) {
	b.Helper()
	for range 50 {
		b.run(chromedp.KeyEvent(kb.Tab))
		seen := evaluate[bool](b, `(({outlineStyle, outlineWidth}, {top, bottom, width}) =>
			outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && width > 0 && bottom > 0 && top < innerHeight)(
			getComputedStyle(document.activeElement), document.activeElement.getBoundingClientRect())`)
		assert.True(b, seen, "the focus of %s is seen", b.focused())
		if b.focused() == until {
			return
		}
	}
	require.Fail(b, "the keyboard does not reach it", until)
}

// types presses keys.
func (b *browser) types(text string) {
	b.Helper()
	b.run(chromedp.KeyEvent(text))
}

// enter presses Enter, and waits for the next page, whose heading is the text.
func (b *browser) enter(heading string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	_, err := chromedp.RunResponse(ctx, chromedp.KeyEvent(kb.Enter))
	require.NoError(b, err, "Enter, for the page %q", heading)
	b.sees(heading)
}

// TestKeyboardAlone signs in, has an admin give a permission after a look at what that does, and signs out without a mouse.
func TestKeyboardAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, dockit.Config{})
	s.url = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	s.run(t, "", "rbac", "add", "group:dev")
	s.run(t, "", "rbac", "add-member", "group:dev", "user:alice")
	b := newBrowser(t, s, true)
	b.open("")
	b.sees("Sign in")
	b.types(kb.Tab)
	assert.Equal(t, "Skip to content", b.focused(), "first of all")
	b.tab("name")
	b.types("root")
	b.tab("password")
	b.types(password)
	b.enter("Hello, root")

	b.tab("Groups")
	b.enter("Groups")
	b.tab("dev")
	b.enter("group:dev")
	b.tab("Permissions")
	b.enter("Permissions of group:dev")
	b.tab("permission")
	b.types("repository:web/**:push")
	b.enter("Give to group:dev")
	assert.Contains(t, b.text("main"), "Adds pull and push for 1 person: user:alice.")
	b.tab("Give it")
	b.enter("Permissions of group:dev")
	assert.Contains(t, b.text(".notice"), "The permission is given.")
	assert.Contains(t, s.run(t, "", "rbac", "permissions", "user:alice"), "repository:web/**:push")

	b.tab("Sign out")
	b.enter("Sign in")
}
