package page

import (
	"net/http"
	"os"
	"path/filepath"
	"time"

	chromebrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// trusts has jobs of a GitLab log in as the robot builder, and sees why another is refused.
func (a administration) trusts() {
	a.click(`nav a[href="/dockit/issuers"]`, "Trusted issuers")
	assert.Contains(a, a.text("main"), "No issuer is trusted.")
	a.click(`main a[href="/dockit/new-issuer/gitlab"]`, "Trust GitLab CI")
	a.put("place", gitLabURL)
	a.run(chromedp.Click(chromedp.CSS("main summary")), chromedp.WaitVisible(chromedp.CSS(`[name="jwks"]`)))
	a.put("jwks", "{}")
	a.click("main form button", "Trust GitLab CI")
	assert.Contains(a, a.text(".problem"), "key")
	a.put("jwks", a.keys)
	a.click("main form button", "Issuer gitlab")
	assert.Contains(a, a.text(".notice"), "The issuer is trusted.")
	assert.Contains(a, a.shell(a.T, a.command("issuer show"), "", ""), gitLabURL)

	a.click(`main a[href="/dockit/new-binding/gitlab"]`, "Bind jobs of gitlab")
	a.fill("name", "app-main")
	a.fill("robot", "builder")
	a.run(chromedp.Click(chromedp.CSS(`[name="protected"]`)))
	a.fill("project_id", "20")
	a.click("main form button", "Bind jobs of gitlab")
	assert.Contains(a, a.text(".problem"), "nothing says from where")
	a.look("binding refused")
	sameThere := a.command("binding add")
	a.run(chromedp.Click(chromedp.CSS(`[name="protected"]`)))
	a.click("main form button", "app-main")
	assert.Contains(a, a.text(".notice"), "The binding is made.")
	for _, pasted := range []string{"id_tokens:", "robot: builder", "dockit login " + service + " --robot builder"} {
		assert.Contains(a, a.text("main"), pasted)
	}
	a.look("binding made")
	_, err := a.tryShell(a.T, sameThere, "", "")
	require.ErrorContains(a, err, "nothing says from where", "the command is refused for the same reason")

	assert.Equal(a, http.StatusOK, a.logIn(a.T, "builder", a.job(a.T, nil), "192.0.2.1", "docker"))
	assert.Equal(a, http.StatusUnauthorized, a.logIn(a.T, "builder", a.job(a.T, map[string]any{"project_id": "31"}), "192.0.2.1", "docker"))
	a.click(`main a[href="/dockit/issuers/gitlab"]`, "gitlab")
	a.finds("issuers/gitlab", `project_id is "31", wanted is 20`) // it is written down a little later
	a.open("robots/builder/credentials")
	a.sees("Credentials of robot:builder")
	assert.Contains(a, a.text(`section:has(#logins) tbody`), "gitlab, by app-main")
	a.click(`form[action$="/logins/end"] button`, "Credentials of robot:builder")
	assert.Contains(a, a.text(".notice"), "All of these logins have ended.")
}

// triesTokens has the page judge what jobs come with.
func (a administration) triesTokens() {
	good, bad := a.job(a.T, nil), a.job(a.T, map[string]any{"ref_protected": "false"})
	a.open("issuers")
	a.click(`main a[href="/dockit/try-token"]`, "Try a token")
	a.put("token", bad)
	a.click("main form button", "Try a token")
	assert.Contains(a, a.text("main"), "It would be refused")
	assert.Regexp(a, `ref_protected\s+true\s+false\s+no`, a.text(`section:has(a[href="/dockit/bindings/app-main"]) tbody`))
	a.look("token that is refused")
	a.put("token", good)
	a.click("main form button", "Try a token")
	assert.Contains(a, a.text("main"), "It would log in as robot:builder")
	a.look("token that is taken")

	folder := a.TempDir()
	require.NoError(a, os.WriteFile(filepath.Join(folder, "token.jwt"), []byte(good), 0o600))
	assert.Contains(a, a.shell(a.T, a.command("issuer try"), "", folder), "builder")
	require.NoError(a, os.WriteFile(filepath.Join(folder, "token.jwt"), []byte(bad), 0o600))
	_, err := a.tryShell(a.T, a.command("issuer try"), "", folder)
	require.Error(a, err)
}

// isWarned lets more jobs in than is wise, which the page says, and removes the binding.
func (a administration) isWarned() {
	a.example.run(a.T, "", "rbac", "add", "robot:reader")
	a.open("new-binding/gitlab")
	a.fill("name", "any-branch")
	a.fill("robot", "reader")
	a.fill("project_id", "20")
	a.run(chromedp.Click(chromedp.CSS(`[name="protected"]`)))
	a.click("main form button", "Binding any-branch")
	a.open("robots/reader/permissions/preview?permission=repository:team/app:push")
	a.click("main form button", "Granted, and something to look at")
	assert.Contains(a, a.text("main"), "any-branch")
	a.look("permission with a warning")

	a.open("bindings")
	a.click(`main a[href="/dockit/bindings/any-branch"]`, "any-branch")
	a.click(`form[action$="/disable"] button`, "any-branch")
	assert.Contains(a, a.text("h2 .badge"), "disabled")
	a.click(`main a[href$="/remove"]`, "Remove the binding any-branch?")
	a.click("button.danger", "Bindings")
	assert.Contains(a, a.text(".notice"), "The binding is removed")
	assert.NotContains(a, a.text("main table"), "any-branch")
}

// appliesState downloads the state document, has it changed, and applies it by an upload.
func (a administration) appliesState() {
	folder := a.TempDir()
	callBrowser(a.browser, chromebrowser.SetDownloadBehavior, chromebrowser.SetDownloadBehaviorParams{
		Behavior: chromebrowser.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder,
	})
	a.click(`nav a[href="/dockit/state"]`, "State")
	a.run(chromedp.Click(chromedp.CSS(`a[href$="format=yaml"]`)))
	kept := filepath.Join(folder, "dockit-state.yaml")
	var document []byte
	require.Eventually(a, func() bool {
		var err error
		document, err = os.ReadFile(kept)
		return err == nil && len(document) > 0
	}, patience, 10*time.Millisecond, "the download")
	assert.Equal(a, a.shell(a.T, a.command("rbac export"), "", ""), string(document))

	upload := func(document []byte, heading string) {
		a.Helper()
		file := filepath.Join(folder, "state.yaml")
		require.NoError(a, os.WriteFile(file, document, 0o600))
		a.open("state")
		a.run(chromedp.SetUploadFiles(chromedp.CSS(`[name="file"]`), []string{file}))
		a.click(`form[action$="/plan"] button`, heading)
	}
	upload([]byte("version: nothing\n"), "State")
	assert.Contains(a, a.text(".problem"), "version")
	upload(document, "What would change")
	assert.Contains(a, a.text("main"), "Nothing: the state is what the document says already.")

	upload([]byte("version: dockit/v1\nusers:\n  - name: dora\n    permissions: [\"repository:team/app:pull\"]\n"), "What would change")
	assert.Contains(a, a.text("main"), "1 made, 0 changed, 0 removed.")
	assert.Contains(a, a.text("pre"), "dora")
	a.look("plan")
	assert.NotContains(a, a.example.run(a.T, "", "rbac", "list", "users"), "dora", "a plan changes nothing")
	a.click("button.danger", "State")
	assert.Contains(a, a.text(".notice"), "The state is what the document says.")
	assert.Contains(a, a.example.run(a.T, "", "rbac", "list", "users"), "dora")

	upload([]byte("version: dockit/v1\nusers:\n  - name: edda\nissuers:\n  - {name: away, url: \"http://127.0.0.1:1\", kind: generic}\n"), "What would change")
	stale := a.command("rbac apply")
	a.click("button.danger", "Applied, and something to look at")
	assert.Contains(a, a.text("main"), "The issuer away is trusted, and away")
	a.look("state applied")
	_, err := a.tryShell(a.T, stale, "", folder)
	require.Error(a, err, "the plan was for another state")

	upload([]byte("version: dockit/v1\nusers:\n  - name: fritz\n"), "What would change")
	a.shell(a.T, a.command("rbac apply"), "", folder)
	a.click("button.danger", "What would change")
	assert.Contains(a, a.text(".problem"), "nothing was changed", "the command was first")
	assert.Contains(a, a.text("main"), "Nothing: the state is what the document says already.")
}
