package page

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/store"
)

func TestStartTeachesWhatToDo(t *testing.T) {
	f := newFixture(t)
	b := f.signedIn("alice")
	page := b.get("").Body.String()
	assert.Contains(t, page, "docker login registry.example.com --username alice")
	assert.Contains(t, page, "dockit rbac grant user:alice &#39;repository:team/**:pull&#39; --base-url https://dockit.example.com")
	f.grant("alice", "repository:team/app:push")
	page = b.get("").Body.String()
	assert.Contains(t, page, "repository:team/app:push")
	assert.Contains(t, page, "dockit rbac permissions user:alice --base-url https://dockit.example.com")
}

// TestLinesToCopyNameTheRegistry guards that what people paste logs in where they push to, whatever the service is called.
func TestLinesToCopyNameTheRegistry(t *testing.T) {
	at := &url.URL{Scheme: "http", Host: "registry:5000"}
	for name, c := range map[string]struct {
		services   []string
		registries map[string]Registry
		want       []string
	}{
		"services that are hosts":  {[]string{"a.example.com", "b.example.com"}, nil, []string{"a.example.com", "b.example.com"}},
		"another host":             {[]string{"a.example.com"}, map[string]Registry{"a.example.com": {Host: "c.example.com"}}, []string{"c.example.com"}},
		"host and where it is":     {[]string{"registry"}, map[string]Registry{"registry": {URL: at, Host: "c.example.com"}}, []string{"c.example.com"}},
		"where it is":              {[]string{"registry"}, map[string]Registry{"registry": {URL: at}}, []string{"registry:5000"}},
		"behind this page":         {[]string{"registry"}, map[string]Registry{"registry": {URL: at, Proxied: true}}, []string{"dockit.example.com"}},
		"not known":                {[]string{"registry", "zot"}, nil, []string{"dockit.example.com"}},
		"one of them known":        {[]string{"registry", "zot"}, map[string]Registry{"zot": {Host: "zot.example.com"}}, []string{"zot.example.com"}},
		"two services of one host": {[]string{"registry", "zot"}, map[string]Registry{"registry": {Host: "a.example.com"}, "zot": {Host: "a.example.com"}}, []string{"a.example.com"}},
	} {
		f := newFixture(t)
		f.page.Services, f.page.Registries = nil, c.registries
		for _, service := range c.services {
			f.page.Services = append(f.page.Services, handlers.Service{Name: service})
		}
		b := f.signedIn("alice")
		for page, body := range map[string]string{
			"start": b.get("").Body.String(),
			"token": b.post("credentials", "scope", "all", "days", "30").Body.String(),
		} {
			var hosts []string
			for _, found := range regexp.MustCompile(`docker login (\S+) --username alice`).FindAllStringSubmatch(body, -1) {
				if !slices.Contains(hosts, found[1]) {
					hosts = append(hosts, found[1])
				}
			}
			assert.Equal(t, c.want, hosts, "%s: %s", name, page)
		}
	}
}

// secretPattern finds an access token in a page.
var secretPattern = regexp.MustCompile(`dockit_[a-z2-7]{12}_[a-z2-7]{39}`)

func TestCredentials(t *testing.T) {
	f := newFixture(t)
	f.grant("alice", "repository:team/**:push")
	b := f.signedIn("alice")
	assert.Contains(t, b.get("credentials").Body.String(), "You have no tokens.")

	answer := b.post("credentials", "name", "laptop", "scope", "some", "scopes", "repository:team/app:pull\nrepository:team/lib:pull", "days", "30", "networks", "192.0.2.0/24, 2001:db8::/32")
	require.Equal(t, http.StatusCreated, answer.Code, "body: %s", answer.Body)
	page := answer.Body.String()
	secret := secretPattern.FindString(page)
	require.NotEmpty(t, secret)
	for _, form := range []string{
		"printf %s " + secret + " | docker login registry.example.com --username alice --password-stdin",
		base64.StdEncoding.EncodeToString([]byte("alice:" + secret)),
		"kubernetes.io/dockerconfigjson", "docker/login-action", "before_script",
	} {
		assert.Contains(t, page, form)
	}
	tokens, err := f.store.AccessTokens(t.Context(), userRef("alice"), store.Page{Limit: 10})
	require.NoError(t, err)
	require.Len(t, tokens, 1)
	token := tokens[0]
	assert.Equal(t, "laptop", token.Name)
	assert.Equal(t, "[repository:team/app:pull repository:team/lib:pull]", fmt.Sprint(token.Scopes))
	assert.Equal(t, "[192.0.2.0/24 2001:db8::/32]", fmt.Sprint(token.Networks))
	assert.WithinDuration(t, time.Now().AddDate(0, 0, 30), token.ExpiresAt, time.Hour)
	assert.Empty(t, token.MadeBy, "made with a password")

	page = b.get("credentials").Body.String()
	assert.Contains(t, page, token.ID)
	assert.NotContains(t, page, secret, "it is shown once")

	bob := f.signedIn("bob")
	assert.Equal(t, http.StatusForbidden, bob.post("credentials/"+token.ID+"/end").Code, "that of somebody else")
	answer = b.post("credentials/" + token.ID + "/end")
	assert.Equal(t, "/dockit/credentials?done=credential-ended", answer.Header().Get("Location"), "body: %s", answer.Body)
	_, err = f.auth.Authenticate(t.Context(), "alice", secret)
	require.ErrorIs(t, err, auth.ErrInvalidCredentials)
}

func TestCredentialsThatCannotBeMade(t *testing.T) {
	f := newFixture(t)
	b := f.signedIn("alice")
	require.Equal(t, http.StatusCreated, b.post("credentials", "name", "taken", "scope", "all", "days", "30").Code)
	for name, c := range map[string]struct {
		fields []string
		status int
		says   string
	}{
		"no scope":          {[]string{"days", "30"}, http.StatusUnprocessableEntity, "choose what the token may do"},
		"no life":           {[]string{"scope", "all"}, http.StatusUnprocessableEntity, "choose how long"},
		"another life":      {[]string{"scope", "all", "days", "31"}, http.StatusUnprocessableEntity, "choose how long"},
		"no permission":     {[]string{"scope", "some", "days", "30"}, http.StatusUnprocessableEntity, "write a permission such as"},
		"wrong permission":  {[]string{"scope", "some", "scopes", "team/app", "days", "30"}, http.StatusUnprocessableEntity, "what it may do: "},
		"wrong network":     {[]string{"scope", "all", "days", "30", "networks", "here"}, http.StatusUnprocessableEntity, "write one such as 192.0.2.0/24"},
		"name that is not":  {[]string{"name", "A B", "scope", "all", "days", "30"}, http.StatusUnprocessableEntity, "A B"},
		"name that is used": {[]string{"name", "taken", "scope", "all", "days", "30"}, http.StatusConflict, "choose another name"},
	} {
		answer := b.post("credentials", c.fields...)
		assert.Equal(t, c.status, answer.Code, name)
		assert.Contains(t, answer.Body.String(), c.says, name)
		assert.Contains(t, answer.Body.String(), `role="alert"`, name)
		assert.Contains(t, answer.Body.String(), "Make a token", "%s: the form is still there", name)
	}
}

func TestPasswordIsChanged(t *testing.T) {
	f := newFixture(t)
	b, other := f.signedIn("alice"), f.signedIn("alice")
	const next = "another long password"
	for name, c := range map[string]struct {
		fields []string
		status int
		says   string
	}{
		"without the old one": {[]string{"new_password", next, "repeated_password", next}, http.StatusUnprocessableEntity, "your password as it is now"},
		"a wrong old one":     {[]string{confirmField, "not the password", "new_password", next, "repeated_password", next}, http.StatusUnauthorized, "wrong username or password"},
		"not twice the same":  {[]string{confirmField, goodPassword, "new_password", next, "repeated_password", next + "x"}, http.StatusUnprocessableEntity, "not the same"},
		"too short":           {[]string{confirmField, goodPassword, "new_password", "short", "repeated_password", "short"}, http.StatusUnprocessableEntity, "12"},
	} {
		answer := b.post("password", c.fields...)
		assert.Equal(t, c.status, answer.Code, name)
		assert.Contains(t, answer.Body.String(), c.says, name)
		assert.NotContains(t, answer.Body.String(), next, "%s: it comes back", name)
	}
	before := b.cookies["__Host-dockit"].Value
	answer := b.post("password", confirmField, goodPassword, "new_password", next, "repeated_password", next)
	require.Equal(t, "/dockit/password?done=password-changed", answer.Header().Get("Location"), "body: %s", answer.Body)
	assert.NotEqual(t, before, b.cookies["__Host-dockit"].Value)
	assert.True(t, b.isSignedIn())
	assert.False(t, other.isSignedIn(), "every other login ended")
	assert.Equal(t, http.StatusUnauthorized, f.browser().post("sign-in", "name", "alice", "password", goodPassword).Code)
}

// TestPasswordOnceMore guards that a browser that was left alone makes no admin and no credential of somebody else.
func TestPasswordOnceMore(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		b := f.signedIn("root")
		f.page.Post("test/admin", func(v *frame.Visit) error {
			yes := true
			if err := v.API(http.MethodPatch, "/users/bob", adminapi.SubjectChange{Admin: &yes}, nil); err != nil {
				return err
			}
			return v.Done("", "done")
		})
		isAdmin := func() bool {
			bob, err := f.store.Subject(t.Context(), userRef("bob"))
			require.NoError(t, err)
			return bob.Admin
		}
		time.Sleep(5 * time.Minute)
		answer := b.post("test/admin", "name", "bob", "password", "a secret")
		assert.Equal(t, http.StatusForbidden, answer.Code)
		page := answer.Body.String()
		assert.Contains(t, page, `action="/dockit/test/admin"`)
		assert.Contains(t, page, `name="name" value="bob"`)
		assert.NotContains(t, page, "a secret")
		assert.False(t, isAdmin())

		assert.Equal(t, http.StatusUnauthorized, b.post("test/admin", confirmField, "not the password").Code)
		assert.False(t, isAdmin())
		assert.Equal(t, http.StatusSeeOther, b.post("test/admin", confirmField, goodPassword).Code)
		assert.True(t, isAdmin())
		time.Sleep(time.Minute)
		assert.Equal(t, http.StatusSeeOther, b.post("test/admin").Code, "a moment later")
	})
}

// TestFormAfterTheEndOfASession guards that nothing that was sent is done, and that the answer says so.
func TestFormAfterTheEndOfASession(t *testing.T) {
	f := newFixture(t)
	answer := f.browser().post("credentials", "scope", "all", "days", "30")
	assert.Equal(t, http.StatusUnauthorized, answer.Code)
	assert.Contains(t, answer.Body.String(), "nothing was changed")
}

// TestTooLargeFormIsRefused guards that nobody can have this process keep more than a form takes.
func TestTooLargeFormIsRefused(t *testing.T) {
	f := newFixture(t)
	answer := f.browser().post("sign-in", "name", strings.Repeat("x", frame.MaxForm), "password", goodPassword)
	assert.Equal(t, http.StatusRequestEntityTooLarge, answer.Code)

	f.page.AdminUpload("test/upload", 2*frame.MaxForm, func(v *frame.Visit) error { return v.Done("", v.PostFormValue("x")[:1]) })
	b := f.signedIn("root")
	assert.Equal(t, http.StatusSeeOther, b.post("test/upload", "x", strings.Repeat("x", frame.MaxForm)).Code, "where more is expected")
	assert.Equal(t, http.StatusRequestEntityTooLarge, b.post("test/upload", "x", strings.Repeat("x", 2*frame.MaxForm)).Code)
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	_, err := New(Config{})
	require.Error(t, err)
}

// BenchmarkStart is how long the start takes, from memory but for the permissions.
func BenchmarkStart(b *testing.B) {
	f := newFixture(b)
	f.grant("alice", "repository:team/**:push")
	alice := f.signedIn("alice")
	for b.Loop() {
		require.Equal(b, http.StatusOK, alice.get("").Code)
	}
}
