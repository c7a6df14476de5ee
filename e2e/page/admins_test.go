package page

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// administration is what an admin does in a browser at a site of their own.
type administration struct {
	*browser
	example
	// script is set when the browser runs that of pages. Each page that only a form leads to is looked at then.
	script bool
}

// look is [browser.look], once.
func (a administration) look(what string) {
	a.Helper()
	if a.script {
		a.browser.look(what)
	}
}

// with is the same in a subtest.
func (a administration) with(t *testing.T) administration {
	t.Helper()
	a.browser = a.browser.with(t)
	return a
}

// TestAdminsDoWhatTheyCameFor goes through what an admin does at the page, with script and without, and through what the page
// says is the same on the command line.
func TestAdminsDoWhatTheyCameFor(t *testing.T) {
	t.Parallel()
	for called, script := range map[string]bool{"with script": true, "without script": false} {
		t.Run(called, func(t *testing.T) {
			t.Parallel()
			e := newExample(t)
			a := administration{newBrowser(t, e.site, script), e, script}
			a.signIn("root")
			for _, task := range []struct {
				name string
				do   func(administration)
			}{
				{"subjects", administration.makesSubjects},
				{"permissions", administration.grants},
				{"tokens", administration.endsTokens},
				{"issuers", administration.trusts},
				{"trials", administration.triesTokens},
				{"warnings", administration.isWarned},
				{"state", administration.appliesState},
				{"lockouts", administration.liftsLockouts},
				{"audit", administration.audits},
				{"keys", administration.rotatesKeys},
			} {
				if !t.Run(task.name, func(t *testing.T) { task.do(a.with(t)) }) {
					return // the others build on it
				}
			}
		})
	}
}

// makesSubjects makes the user carol, the robot builder and the group dev with both.
func (a administration) makesSubjects() {
	a.click(`nav a[href="/dockit/users"]`, "Users")
	a.run(chromedp.Click(chromedp.CSS("details summary")), chromedp.WaitVisible(chromedp.CSS("details button")))
	a.fill("name", "carol")
	a.fill("new_password", password)
	a.fill("repeated_password", password)
	a.click("details button", "user:carol")
	assert.Contains(a, a.text(".notice"), "The user is there.")
	assert.Contains(a, a.shell(a.T, a.command("rbac show"), "", ""), "user:carol")
	assert.Equal(a, http.StatusOK, a.logIn(a.T, "carol", password, "192.0.2.1", "docker"))

	for kind, name := range map[string]string{"robot": "builder", "group": "dev"} {
		a.open(kind + "s")
		a.run(chromedp.Click(chromedp.CSS("details summary")), chromedp.WaitVisible(chromedp.CSS("details button")))
		a.fill("name", name)
		a.click("details button", kind+":"+name)
		assert.Contains(a, a.text(".notice"), "is there.")
	}
	a.open("groups/dev")
	for _, member := range []string{"robot:builder", "user:carol"} {
		a.fill("member", member)
		a.click(`form[action$="/members"] button`, "group:dev")
		assert.Contains(a, a.text("main table"), member)
	}
	a.fill("member", "user:nobody")
	a.click(`form[action$="/members"] button`, "group:dev")
	assert.Contains(a, a.text(".problem"), "nobody")
	a.shell(a.T, a.command("add-member"), "", "") // of user:alice, as the page has it for an example
	a.open("groups/dev")
	assert.Contains(a, a.text("main table"), "user:alice")
	a.click(`tr:has(a[href="/dockit/users/alice"]) button`, "group:dev")
	assert.NotContains(a, a.text("main table"), "user:alice")

	a.open("users?q=aro")
	assert.NotContains(a, a.text("main table"), "alice")
	a.click(`main tbody a[href="/dockit/users/carol"]`, "user:carol")
	assert.Contains(a, a.text("main table"), "dev")
}

// can reports whether somebody may push to a repository, as the command line says.
func (a administration) can(subject, repository string) bool {
	a.Helper()
	_, err := a.Admin().Run(a.Context(), "rbac", "can-i", subject, "push", repository)
	return err == nil
}

// grants gives a permission to the group after it has seen what that would do, and takes it away.
func (a administration) grants() {
	const adds = "Adds pull and push for 1 person and 1 robot: robot:builder, user:carol."
	a.open("groups/dev")
	a.click(`main nav a[href$="/permissions"]`, "Permissions of group:dev")
	a.fill("permission", "team")
	a.click(`form[action$="/preview"] button`, "Permissions of group:dev")
	assert.Contains(a, a.text(".problem"), "write type:name:actions")
	a.put("permission", "repository:team/**:push")
	a.click(`form[action$="/preview"] button`, "Give to group:dev")
	assert.Contains(a, a.text("main"), adds)
	assert.False(a, a.can("user:carol", "team/app"), "looking gives nothing")

	a.shell(a.T, a.command("rbac grant"), "", "")
	assert.True(a, a.can("user:carol", "team/app"), "the command does the same")
	a.open("groups/dev/permissions")
	a.click(`form:has(input[value="revoke"]) button`, "Take from group:dev")
	assert.Contains(a, a.text("main"), "Takes pull and push from 1 person and 1 robot: robot:builder, user:carol.")
	a.click("button.danger", "Permissions of group:dev")
	assert.Contains(a, a.text(".notice"), "The permission is taken away.")
	assert.False(a, a.can("user:carol", "team/app"))

	a.fill("permission", "repository:team/**:push")
	a.click(`form[action$="/preview"] button`, "Give to group:dev")
	a.click(`main form button`, "Permissions of group:dev")
	assert.Contains(a, a.text(".notice"), "The permission is given.")
	assert.True(a, a.can("robot:builder", "team/app"))
	a.open("users/carol/permissions")
	assert.Contains(a, a.text(`section:has(#effective)`), "group:dev", "why")
}

// endsTokens makes one for the robot and ends it, and one of alice that was never used.
func (a administration) endsTokens() {
	a.open("robots/builder/credentials")
	a.fill("name", "deploy")
	a.click(`form[action$="/credentials"] button`, "The new token")
	secret := tokenPattern.FindString(a.text("main"))
	require.NotEmpty(a, secret)
	a.look("token of a robot")
	assert.Equal(a, http.StatusOK, a.logIn(a.T, "builder", secret, "192.0.2.1", "docker"))
	a.click(`main a[href="/dockit/robots/builder/credentials"]`, "Credentials of robot:builder")
	a.run(chromedp.Click(chromedp.CSS("details:has(form[action$='/end']) summary")), chromedp.WaitVisible(chromedp.CSS("button.danger")))
	a.click("button.danger", "Credentials of robot:builder")
	assert.Contains(a, a.text(".notice"), "The token has ended")
	assert.Equal(a, http.StatusUnauthorized, a.logIn(a.T, "builder", secret, "192.0.2.1", "docker"))

	a.example.run(a.T, "", "rbac", "token", "create", "user:alice", "--name", "idle")
	a.click(`nav a[href="/dockit/tokens"]`, "Tokens of everybody")
	a.click(`main a[href$="?unused=yes"]`, "Tokens that were never used")
	assert.Contains(a, a.text("main table"), "idle")
	assert.Contains(a, a.shell(a.T, a.command("token list"), "", ""), "idle")
	a.run(chromedp.Click(chromedp.CSS("main table summary")), chromedp.WaitVisible(chromedp.CSS("button.danger")))
	a.click("button.danger", "Tokens that were never used")
	assert.Contains(a, a.text("main"), "Every token was used.")
	assert.NotContains(a, a.shell(a.T, a.command("token list"), "", ""), "idle")
}

// liftsLockouts has alice log in again from where she is locked out.
func (a administration) liftsLockouts() {
	const away = "203.0.113.77"
	a.open("lockouts")
	assert.Contains(a, a.text("main"), "No wrong passwords lately.")
	clears := a.command("lockouts clear")
	for _, how := range []string{"by its button", "by the command"} {
		a.lockOut(a.T, "alice", away)
		assert.Equal(a, http.StatusUnauthorized, a.logIn(a.T, "alice", password, away, "docker"), "with the right password")
		a.open("lockouts")
		assert.Regexp(a, `alice\s+203.0.113.77/32\s+3\s.*locked`, a.text("main table tbody tr"))
		if how == "by the command" {
			a.shell(a.T, clears, "", "")
			a.open("lockouts")
		} else {
			a.click("main td button", "Lockouts")
			assert.Contains(a, a.text(".notice"), "The wrong passwords are forgotten.")
		}
		assert.Contains(a, a.text("main"), "No wrong passwords lately.", how)
		assert.Equal(a, http.StatusOK, a.logIn(a.T, "alice", password, away, "docker"), how)
	}
}

// audits finds what happened to the group, and sees that the chain holds.
func (a administration) audits() {
	a.click(`nav a[href="/dockit/audit"]`, "Audit")
	a.run(chromedp.Click(chromedp.CSS("main summary")))
	a.fill("subject", "group:dev")
	a.run(chromedp.SetValue(chromedp.CSS(`[name="action"]`), "revoke"))
	a.click("main form button", "Audit")
	found := a.text("main table tbody")
	assert.Contains(a, found, "repository:team/**:push")
	assert.NotContains(a, found, "add-member")
	assert.Contains(a, a.shell(a.T, a.command("rbac audit"), "", ""), "repository:team/**:push")
	a.click("main tbody a", "of the audit")
	assert.Contains(a, a.text("main"), "user:root")
	head := evaluate[string](a.browser, `document.querySelector(".copy code").textContent`)

	a.open("audit")
	a.click(`main a[href="/dockit/audit/verify"]`, "The chain of the audit")
	assert.Contains(a, a.text(".notice"), "The chain holds")
	a.fill("expect", head)
	a.click("main form button", "The chain of the audit")
	assert.Contains(a, a.text(".notice"), "The head that you kept is in it.")
	assert.Contains(a, a.shell(a.T, a.command("audit verify"), "", ""), "holds")
}

// rotatesKeys replaces the keys of the service, for which the page asks for the password again.
func (a administration) rotatesKeys() {
	a.click(`nav a[href="/dockit/keys"]`, "Keys")
	signs := func() string { return a.text("main section dd code") }
	before := signs()
	assert.Contains(a, a.shell(a.T, a.command("pki list"), "", ""), before)
	a.forgetPasswords(a.T)
	a.run(chromedp.SetValue(chromedp.CSS(`[name="service"]`), service))
	a.click(`form[action$="/rotate"] button`, "Your password, once more")
	a.look("password again")
	a.fill("confirm_password", "not the password")
	a.click("main button", "Your password, once more")
	assert.Contains(a, a.text(".problem"), "wrong username or password")
	a.fill("confirm_password", password)
	a.click("main button", "Keys are replaced")
	a.look("keys replaced")
	assert.Contains(a, a.text("main"), "No registry has to be restarted.")
	a.click(`main a[href="/dockit/keys"]`, "Keys")
	assert.NotEqual(a, before, signs())
	a.click(`a[href$="/revoke"]`, "Revoke a key?")
	a.click(`main a[href="/dockit/keys"]`, "Keys")
}
