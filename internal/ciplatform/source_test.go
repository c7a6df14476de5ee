package ciplatform

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/idtoken"
	"github.com/dockit-registry/dockit/internal/issuertest"
)

const audience = "registry.example.com"

// in is an environment with some variables, and nothing on the PATH or mounted but
// what the test puts there.
func in(t *testing.T, variables map[string]string) Environment {
	t.Helper()
	return Environment{
		Getenv: func(name string) string { return variables[name] }, Stdin: strings.NewReader(""),
		Mounted: filepath.Join(t.TempDir(), "token"),
	}
}

// token is one that is meant for an audience.
func token(t *testing.T, audience any) string {
	t.Helper()
	issuer := issuertest.Offline(t, "https://issuer.example.com")
	return issuer.Sign(t, issuer.Claims(time.Now(), "", map[string]any{"aud": audience}))
}

func write(t *testing.T, path, content string, mode os.FileMode) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(content), mode))
	return path
}

// TestFindInOrder guards which token is meant where there are several.
func TestFindInOrder(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	all := map[string]string{
		"DOCKIT_ID_TOKEN": "a", "ACTIONS_ID_TOKEN_REQUEST_URL": "https://a", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "b",
		"CIRCLECI": "true", "CIRCLE_OIDC_TOKEN_V2": "c", "BITBUCKET_STEP_OIDC_TOKEN": "d",
	}
	e := in(t, all)
	find := func(file, want string, unset ...string) {
		t.Helper()
		for _, name := range unset {
			delete(all, name)
		}
		source, err := e.Find(file)
		require.NoError(t, err)
		assert.Equal(t, want, source.String())
	}
	find("given", "file given")
	find("-", "standard input")
	find("", "DOCKIT_ID_TOKEN")
	all["DOCKIT_ID_TOKEN_FILE"] = "named"
	_, err := e.Find("")
	require.ErrorIs(t, err, ErrTwo)
	find("given", "file given")
	write(t, e.Mounted, "mounted", 0o600)
	find("", "DOCKIT_ID_TOKEN_FILE", "DOCKIT_ID_TOKEN")
	find("", "file "+e.Mounted, "DOCKIT_ID_TOKEN_FILE")
	require.NoError(t, os.Remove(e.Mounted))
	find("", "GitHub Actions")
	all["FORGEJO_ACTIONS"] = "true"
	find("", "Forgejo Actions")
	find("", "CIRCLE_OIDC_TOKEN_V2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	find("", "BITBUCKET_STEP_OIDC_TOKEN", "CIRCLECI")
	delete(all, "BITBUCKET_STEP_OIDC_TOKEN")
	_, err = e.Find("")
	require.ErrorIs(t, err, ErrNone)
}

// TestGivenTokens guards what is read, and that no error shows it.
func TestGivenTokens(t *testing.T) {
	t.Parallel()
	good, dir := token(t, audience), t.TempDir()
	missing := filepath.Join(dir, "missing")
	huge := token(t, strings.Repeat("a", idtoken.MaxSize))
	for name, tc := range map[string]struct {
		variables map[string]string
		file      string
		stdin     string
		mounted   string
		says      string
		is        error
	}{
		"file":                    {file: write(t, filepath.Join(dir, "file"), good+"\n", 0o600)},
		"standard input":          {file: "-", stdin: "  " + good + "\r\n"},
		"variable":                {variables: map[string]string{"DOCKIT_ID_TOKEN": good + "\n"}},
		"file of a variable":      {variables: map[string]string{"DOCKIT_ID_TOKEN_FILE": write(t, filepath.Join(dir, "named"), good, 0o600)}},
		"mounted":                 {mounted: good},
		"bitbucket":               {variables: map[string]string{"BITBUCKET_STEP_OIDC_TOKEN": good}},
		"no file":                 {file: missing, says: "file " + missing + ": open "},
		"no file of a variable":   {variables: map[string]string{"DOCKIT_ID_TOKEN_FILE": missing}, says: "DOCKIT_ID_TOKEN_FILE: open"},
		"the token as a file":     {file: good, says: "the token itself stands in the place"},
		"the token as another":    {variables: map[string]string{"DOCKIT_ID_TOKEN_FILE": good}, says: "the token itself stands in the place"},
		"nothing mounted in it":   {mounted: "\n", says: "it is empty"},
		"nothing on input":        {file: "-", says: "standard input: it is empty"},
		"a password":              {file: "-", stdin: "correct-horse-battery", is: idtoken.ErrMalformed},
		"a token without a claim": {file: "-", stdin: "eyJhbGciOiJFUzI1NiJ9.e30.c2ln", is: ErrAudience, says: "names nobody"},
		"more than fits":          {file: "-", stdin: huge, is: idtoken.ErrTooLarge},
		"endless":                 {file: "-", stdin: strings.Repeat("a", 10<<20), is: idtoken.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := in(t, tc.variables)
			e.Stdin = strings.NewReader(tc.stdin)
			if tc.mounted != "" {
				write(t, e.Mounted, tc.mounted, 0o600)
			}
			source, err := e.Find(tc.file)
			require.NoError(t, err)
			got, err := source.Token(t.Context(), audience, "https://"+audience)
			if tc.says == "" && tc.is == nil {
				require.NoError(t, err)
				assert.Equal(t, good, got)
				return
			}
			require.ErrorContains(t, err, tc.says)
			if tc.is != nil {
				require.ErrorIs(t, err, tc.is)
			}
			assert.NotContains(t, source.String()+err.Error(), good)
			assert.NotContains(t, err.Error(), "correct-horse")
			assert.Less(t, len(err.Error()), 1000)
		})
	}
}

// TestTokensForOthersAreNotSent guards that a token which opens something else does
// not leave for a registry.
func TestTokensForOthersAreNotSent(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		audience  any
		wanted    []string
		variables map[string]string
		says      []string
	}{
		"the service":              {audience: audience},
		"its address":              {audience: "https://" + audience},
		"its address, asked else":  {audience: "https://" + audience, wanted: []string{audience}, says: []string{"https://" + audience}},
		"one of several":           {audience: []string{"other", audience}},
		"a cloud":                  {audience: "sts.amazonaws.com", says: []string{"names sts.amazonaws.com as its audience, and registry.example.com is wanted", "log in with that --audience"}},
		"a cloud by its name":      {audience: "sts.amazonaws.com", wanted: []string{"sts.amazonaws.com"}},
		"several others":           {audience: []string{"a", "b"}, says: []string{"names a, b"}},
		"none":                     {audience: []string{}, says: []string{"names nobody"}},
		"what steers the terminal": {audience: "\x1b[31m", says: []string{"names ?[31m"}},
		"in a pipeline of GitLab":  {audience: "x", variables: map[string]string{"GITLAB_CI": "true"}, says: []string{"write it as aud of DOCKIT_ID_TOKEN below id_tokens"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := token(t, tc.audience)
			variables := map[string]string{"DOCKIT_ID_TOKEN": raw}
			maps.Copy(variables, tc.variables)
			source, err := in(t, variables).Find("")
			require.NoError(t, err)
			if tc.wanted == nil {
				tc.wanted = []string{audience, "https://" + audience}
			}
			got, err := source.Token(t.Context(), tc.wanted...)
			if tc.says == nil {
				require.NoError(t, err)
				assert.Equal(t, raw, got)
				return
			}
			require.ErrorIs(t, err, ErrAudience)
			for _, says := range tc.says {
				require.ErrorContains(t, err, says)
			}
			assert.Empty(t, got)
			assert.NotContains(t, err.Error(), raw)
		})
	}
}
