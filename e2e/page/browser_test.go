package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/cannot"
)

// patience is how long a browser may take for one thing: machines of tests are busy.
const patience = time.Minute

// browser is Chromium with one tab.
type browser struct {
	*testing.T
	site site
	ctx  context.Context

	mu sync.Mutex
	// complaints are what the browser found wrong: violations of policies and errors of scripts.
	complaints []string
}

// newBrowser opens a browser, and has the test fail when it complains of anything.
func newBrowser(t *testing.T, s site, script bool) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		cannot.Run(t, errors.New("chromium is not installed: run scripts/get-browser bin"))
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], //nolint:gocritic // a new one
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1280, 900), chromedp.IgnoreCertErrors, chromedp.Flag("lang", "en-US"))
	ctx, end := chromedp.NewContext(t.Context(), chromedp.WithAllocatorOptions(options...))
	t.Cleanup(end)
	b := &browser{T: t, site: s, ctx: ctx}
	require.NoError(t, chromedp.Listen(ctx, b.listen))
	call(b, audits.Enable, cdp.Empty{})
	call(b, cdplog.Enable, cdp.Empty{})
	if !script {
		call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	}
	b.width(1280)
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		assert.Empty(t, b.complaints, "the browser complains")
	})
	return b
}

// with is the same browser for a subtest.
func (b *browser) with(t *testing.T) *browser {
	t.Helper()
	return &browser{T: t, site: b.site, ctx: b.ctx}
}

func (b *browser) listen(event any) {
	complaint := ""
	switch e := event.(type) {
	case *audits.EventIssueAdded:
		if e.Issue.Code == audits.InspectorIssueCodeContentSecurityPolicyIssue || e.Issue.Code == audits.InspectorIssueCodeCookieIssue {
			details, _ := json.Marshal(e.Issue.Details) // for people
			complaint = string(e.Issue.Code) + " " + string(details)
		}
	case *cdplog.EventEntryAdded:
		// A page that is not there, or a form that was refused, is an error for the log, too.
		if e.Entry.Level == cdplog.EntryLevelError && e.Entry.Source != cdplog.EntrySourceNetwork || e.Entry.Source == cdplog.EntrySourceSecurity {
			complaint = e.Entry.Text
		}
	case *runtime.EventExceptionThrown:
		complaint = e.ExceptionDetails.Text
	}
	if complaint != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.complaints = append(b.complaints, complaint)
	}
}

// complained reports whether the browser found anything wrong since it was asked last, which then does not count.
func (b *browser) complained() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := len(b.complaints) > 0
	b.complaints = nil
	return found
}

// call sends a command of the protocol.
func call[P, R any](b *browser, command cdp.Command[P, R], params P) R {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	require.NoError(b, err)
	return result
}

// ask runs an action that returns something, and fails the test unless it works out in time.
func ask[T any](b *browser, action chromedp.Action[T]) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
		defer cancel()
		here, _ := chromedp.Run(ctx, chromedp.Location())
		page, _ := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body"))) // for people
		require.NoError(b, err, "at %s:\n%s", here, page)
	}
	return result
}

// run does something, and fails the test unless it works out in time.
func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ask(b, chromedp.Steps(actions...))
}

// open goes to a page below /dockit/.
func (b *browser) open(path string) {
	b.Helper()
	b.run(chromedp.Navigate(b.site.url + "/dockit/" + path))
}

// finds opens a page until it holds the text.
func (b *browser) finds(path, text string) {
	b.Helper()
	for began := time.Now(); ; {
		b.open(path)
		if strings.Contains(b.text("main"), text) {
			return
		}
		require.Less(b, time.Since(began), patience, "%s: %s", path, text)
	}
}

// fill types into a field of the name.
func (b *browser) fill(name, text string) {
	b.Helper()
	b.run(chromedp.SendKeys(chromedp.CSS(`[name="`+name+`"]:not([type=hidden])`), text))
}

// put has a field of the name hold the text, whatever it held.
func (b *browser) put(name, text string) {
	b.Helper()
	b.run(chromedp.SetValue(chromedp.CSS(`[name="`+name+`"]:not([type=hidden])`), text))
}

// click clicks on what a selector finds, and waits for the next page, whose heading is the text: the page before may have the same.
func (b *browser) click(selector, heading string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	_, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector)))
	require.NoError(b, err, "click on %s, for the page %q", selector, heading)
	b.sees(heading)
}

// sees waits for a page with a heading.
func (b *browser) sees(heading string) {
	b.Helper()
	b.run(chromedp.WaitVisible(fmt.Sprintf(`//h1[contains(., %q)]`, heading)))
}

// command is the one that the page says does the same and that holds the text.
func (b *browser) command(holds string) string {
	b.Helper()
	for _, text := range evaluate[[]string](b, `[...document.querySelectorAll(".copy code")].map((c) => c.textContent)`) {
		if strings.HasPrefix(text, "dockit ") && strings.Contains(text, holds) {
			return text
		}
	}
	require.Fail(b, "the page shows no such command", holds)
	return ""
}

// text is that of what a selector finds.
func (b *browser) text(selector string) string {
	b.Helper()
	return ask(b, chromedp.Text(chromedp.CSS(selector)))
}

func (b *browser) signIn(name string) {
	b.Helper()
	b.open("")
	b.sees("Sign in")
	b.fill("name", name)
	b.fill("password", password)
	b.click("main button", "Hello, "+name)
}

// theme has pages see a preference for light or dark colours.
func (b *browser) theme(scheme string) {
	b.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// width has the screen be that wide, in pixels of CSS.
func (b *browser) width(width int64) {
	b.Helper()
	b.size(width, 900)
}

// size has the screen be that wide and high, in pixels of CSS.
func (b *browser) size(width, height int64) {
	b.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1})
}

// evaluate runs script of the test in the page.
func evaluate[T any](b *browser, script string) T {
	b.Helper()
	return ask(b, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// accessible has axe look at the page, and fails the test for anything that it finds.
func (b *browser) accessible(what string) {
	b.Helper()
	source, err := axe()
	if err != nil {
		cannot.Run(b.T, errors.New("axe-core is not there: run scripts/get-browser bin"))
	}
	if !evaluate[bool](b, `"axe" in window`) {
		evaluate[any](b, source+"; true")
	}
	found := evaluate[[]string](b, `axe.run(document, {resultTypes: ["violations"]}).then((r) =>
		r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + v.help + ": " + n.html + ": " + n.failureSummary)))`)
	assert.Empty(b, found, "%s: what keeps people from using it", what)
}

// fits fails the test when the page is wider than the screen.
func (b *browser) fits(what string) {
	b.Helper()
	beyond := evaluate[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth")
	assert.LessOrEqual(b, beyond, 0, "%s: pixels beyond the screen", what)
}

// look has axe look at the page in both themes, one of them on a small screen, and the page fit small screens and one at 200 %.
func (b *browser) look(what string) {
	b.Helper()
	b.theme("light")
	b.accessible(what)
	b.picture(what)
	b.theme("dark")
	for _, width := range []int64{640, 360, 320} {
		b.width(width)
		b.fits(what)
	}
	b.accessible(what + ", dark and small")
	b.picture(what + "-small")
	b.width(1280)
}

// picture keeps what the page looks like, in the folder of [pictures] if there is one.
func (b *browser) picture(name string) {
	b.Helper()
	folder := os.Getenv("DOCKIT_TEST_PICTURES")
	if folder == "" {
		return
	}
	picture := ask(b, chromedp.FullScreenshot(100))
	require.NoError(b, os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600))
}

// callBrowser sends a command that is for the whole browser.
func callBrowser[P, R any](b *browser, command cdp.Command[P, R], params P) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	_, err := chromedp.CallBrowser(ctx, command, params)
	require.NoError(b, err)
}
