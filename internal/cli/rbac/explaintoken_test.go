package rbac

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/cli/clitest"
	"github.com/dockit-registry/dockit/internal/cli/registrytoken"
)

func explainInput(t *testing.T, url, input string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := cli.NewCommand(NewCommand())
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetIn(strings.NewReader(input))
	code = cli.Execute(cmd, append([]string{"rbac", "explain-token", "--base-url", url}, args...))
	return code, out.String(), errs.String()
}

func TestExplainToken(t *testing.T) {
	ours, theirs := clitest.NewIssuer(t), clitest.NewIssuer(t)
	good := ours.Token(t, "current", false, nil)
	for name, c := range map[string]struct {
		input string
		code  int
		says  []string
	}{
		"valid":             {good, 0, []string{"valid:    yes", "subject:  alice", "opens:    repository:team/app:pull,push"}},
		"behind Bearer":     {"Bearer " + good + "\n", 0, []string{"valid:    yes"}},
		"in an answer":      {`{"token":"` + good + `","expires_in":300}`, 0, []string{"valid:    yes"}},
		"as access_token":   {`{"access_token":"` + good + `"}`, 0, []string{"valid:    yes"}},
		"by certificate":    {ours.Token(t, "rotated", true, nil), 0, []string{"valid:    yes"}},
		"anonymous, empty":  {ours.Token(t, "current", true, map[string]any{"sub": "", "access": nil}), 0, []string{"(anonymous)", "opens:    nothing"}},
		"expired":           {ours.Token(t, "current", true, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), 1, []string{"valid:    no", "signed:   yes", "it expired 1h0m"}},
		"expired just now":  {ours.Token(t, "current", true, map[string]any{"exp": time.Now().Add(-10 * time.Second).Unix()}), 0, nil},
		"to come":           {ours.Token(t, "current", true, map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), 1, []string{"compare the clocks"}},
		"another service":   {ours.Token(t, "current", true, map[string]any{"aud": []string{"other"}}), 1, []string{"signed:   yes", "issues no tokens for service other"}},
		"another Dockit":    {theirs.Token(t, "current", true, nil), 1, []string{"signed:   no", "from another Dockit"}},
		"retired key":       {ours.Token(t, "retired", false, nil), 1, []string{"signed:   no"}},
		"escape sequences":  {ours.Token(t, "current", true, map[string]any{"sub": "a\x1b[31m"}), 0, []string{"subject:  a?[31m"}},
		"dates that cannot": {ours.Token(t, "current", true, map[string]any{"exp": 1e300}), 1, []string{"valid:    no"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := explainInput(t, ours.URL, c.input)
			assert.Equal(t, c.code, code, stdout+stderr)
			assert.Empty(t, stderr)
			for _, s := range c.says {
				assert.Contains(t, stdout, s)
			}
		})
	}
	t.Run("altered", func(t *testing.T) {
		parts := strings.Split(good, ".")
		parts[1] = base64.RawURLEncoding.EncodeToString([]byte(`{"aud":"registry","exp":9999999999,"access":[{"type":"repository","name":"x","actions":["*"]}]}`))
		code, stdout, _ := explainInput(t, ours.URL, strings.Join(parts, "."), "-o", "json")
		assert.Equal(t, 1, code)
		assert.Contains(t, stdout, `"signed": false`)
	})
	for name, input := range map[string]string{
		"nothing": "", "words": "hello", "empty answer": "{}", "broken answer": "{", "unsigned": "eyJhbGciOiJub25lIn0.e30.",
		"no claims": "eyJhbGciOiJFUzI1NiJ9.W10.AAAA", "endless": strings.Repeat("a", registrytoken.MaxSize+1),
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := explainInput(t, ours.URL, input)
			assert.Equal(t, 1, code)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, "Error:")
		})
	}
}

func FuzzExplainToken(f *testing.F) {
	f.Add("eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOlsiYSJdLCJleHAiOjFlMzAwfQ.AAAA")
	f.Add(`{"token":"Bearer a.b.c"}`)
	f.Fuzz(func(_ *testing.T, input string) {
		raw, err := registrytoken.Find(input)
		if err != nil {
			return
		}
		if parsed, err := registrytoken.Parse(raw); err == nil {
			explained(parsed, registrytoken.TrustIn(nil), time.Now())
		}
	})
}
