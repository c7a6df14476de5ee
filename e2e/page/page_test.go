package page

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	chromebrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// tokenPattern is what access tokens look like.
var tokenPattern = regexp.MustCompile(`dockit_[a-z2-7]{12}_[a-z2-7]{39}`)

// TestPeopleDoWhatTheyCameFor goes through what a person does at the page, with script and without.
func TestPeopleDoWhatTheyCameFor(t *testing.T) {
	t.Parallel()
	s := newSite(t, dockit.Config{})
	s.url = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	for name, script := range map[string]bool{"with script": true, "without script": false} {
		t.Run(name, func(t *testing.T) {
			b := newBrowser(t, s, script)
			b.open("credentials")
			b.sees("Sign in")
			b.fill("name", "alice")
			b.fill("password", "not the password")
			b.click("main button", "Sign in")
			assert.Contains(t, b.text(".problem"), "wrong username or password")
			b.fill("password", password)
			b.click("main button", "Credentials")
			assert.Contains(t, b.text("main"), "You have no tokens.")

			b.fill("name", "laptop")
			b.run(chromedp.Click(chromedp.CSS(`[name="scope"][value="pull"]`)))
			b.click(`form[action$="/credentials"] button`, "Your new token laptop")
			secret := tokenPattern.FindString(b.text("main"))
			require.NotEmpty(t, secret)
			_, err := s.CLI("alice", secret).Run(t.Context(), "rbac", "permissions", "user:alice")
			require.ErrorContains(t, err, "is not an admin", "it is one of alice, and opens no admin API")

			b.click(`main a[href="/dockit/credentials"]`, "Credentials")
			assert.Contains(t, b.text("main"), "repository:**:pull")
			b.run(chromedp.Click(chromedp.CSS("summary")), chromedp.WaitVisible(chromedp.CSS("details button")))
			b.click("details button", "Credentials")
			assert.Contains(t, b.text(".notice"), "The token has ended")
			_, err = s.CLI("alice", secret).Run(t.Context(), "rbac", "permissions", "user:alice")
			require.ErrorContains(t, err, "wrong username or password")

			other := newBrowser(t, s, script)
			other.signIn("alice")
			b.click(`nav a[href="/dockit/sessions"]`, "Your logins")
			b.click("tbody tr:not(:has(.badge)) button", "Your logins")
			assert.Contains(t, b.text(".notice"), "That login has ended.")
			other.open("password")
			other.sees("Sign in")

			b.click(`nav a[href="/dockit/password"]`, "Your password")
			b.fill("confirm_password", password)
			b.fill("new_password", password+"2")
			b.fill("repeated_password", password+"2")
			b.click("main button", "Your password")
			assert.Contains(t, b.text(".notice"), "Your password is changed.")
			s.run(t, password, "rbac", "change-password", "user:alice", "--password-stdin")
			b.open("")
			b.sees("Sign in") // with the password, the session ended

			b.fill("name", "alice")
			b.fill("password", password)
			b.click("main button", "Hello, alice")
			b.click(".who button", "Sign in")
			assert.Contains(t, b.text(".notice"), "You are signed out.")
			b.open("")
			b.sees("Sign in")
		})
	}
}

// TestOverTLS guards that browsers take the cookie that only TLS has, and send it again.
func TestOverTLS(t *testing.T) {
	t.Parallel()
	s := newSite(t, dockit.Config{HTTPS: true})
	s.url = "https://localhost:" + portOf(t, s.URL)
	b := newBrowser(t, s, true)
	b.signIn("alice")
	b.open("sessions")
	b.sees("Your logins")
	cookies := call(b, network.GetCookies, network.GetCookiesParams{}).Cookies
	require.Len(t, cookies, 1)
	assert.Equal(t, "__Host-dockit", cookies[0].Name)
	assert.True(t, cookies[0].Secure && cookies[0].HTTPOnly && cookies[0].Session && cookies[0].SameSite == network.CookieSameSiteLax)
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Port()
}

// everyPage are the pages that links lead to, by what they are called.
var everyPage = map[string]string{"start": "", "credentials": "credentials", "logins": "sessions", "password": "password", "missing": "nothing"}

// TestEverybodyCanUseEveryPage has axe look at every page in both themes, and every page fit a small screen, and one at 200 %.
func TestEverybodyCanUseEveryPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, dockit.Config{})
	s.url = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	s.run(t, "", "rbac", "token", "create", "user:alice", "--name", "laptop", "--scope", "repository:team/app:pull", "--expires", "30d")
	b := newBrowser(t, s, true)
	b.open("")
	b.sees("Sign in")
	b.look("sign-in")
	b.fill("name", "alice")
	b.fill("password", "not the password")
	b.click("main button", "Sign in")
	b.look("sign-in refused")
	b.signIn("alice")
	for name, path := range everyPage {
		b.open(path)
		b.look(name)
	}
	b.open("credentials")
	b.click(`form[action$="/credentials"] button`, "Your new token")
	b.look("token")
}

// TestScriptHelps guards what script adds: times in the zone of who reads, and texts that are copied.
func TestScriptHelps(t *testing.T) {
	t.Parallel()
	s := newSite(t, dockit.Config{})
	s.url = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	b := newBrowser(t, s, true)
	call(b, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Kathmandu"})
	b.signIn("alice")
	b.open("sessions")
	b.sees("Your logins")
	assert.Regexp(t, `GMT\+5:45|NPT`, b.text("td time"))
	b.open("")
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		callBrowser(b, chromebrowser.SetPermission, chromebrowser.SetPermissionParams{
			Permission: &chromebrowser.PermissionDescriptor{Name: name}, Setting: chromebrowser.PermissionSettingGranted,
		})
	}
	b.run(chromedp.Click(chromedp.CSS("button[data-copy]")), chromedp.WaitVisible(chromedp.CSS("button.done")))
	assert.Equal(t, "docker login registry.example.com --username alice", evaluate[string](b, "navigator.clipboard.readText()"))
	assert.Equal(t, "Copied.", b.text("#live"))
}

// TestComplaintsAreHeard guards the other tests: what a policy forbids does not pass them unseen.
func TestComplaintsAreHeard(t *testing.T) {
	t.Parallel()
	s := newSite(t, dockit.Config{})
	b := newBrowser(t, s, true)
	b.open("")
	b.sees("Sign in")
	for what, script := range map[string]string{
		"an inline style": `document.body.setAttribute("style", "color: red")`,
		"another host":    `document.body.append(Object.assign(new Image(), {src: "https://example.com/x.png"}))`,
		"text as markup":  `try { document.body.innerHTML = "<p>" } catch {}`,
		"an error":        `setTimeout(() => { throw new Error("x") })`,
	} {
		evaluate[any](b, script+`; true`)
		require.Eventually(t, b.complained, patience, 10*time.Millisecond, what)
	}
}
