package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bound runs a command with flags of every sort and returns what they hold.
func bound(t *testing.T, args ...string) (flags struct {
	url, secret string
	services    []string
	count       int
	on          bool
}, err error,
) {
	t.Helper()
	cmd := &cobra.Command{Use: "test", RunE: func(cmd *cobra.Command, _ []string) error { return BindEnvironment(cmd) }}
	cmd.Flags().StringVar(&flags.url, "base-url", "default", "")
	cmd.Flags().StringVar(&flags.secret, "root-password", "", "")
	cmd.Flags().StringArrayVar(&flags.services, "service", []string{"registry"}, "")
	MarkSecret(cmd.Flags(), "root-password")
	cmd.Flags().IntVar(&flags.count, "count", 1, "")
	cmd.Flags().BoolVar(&flags.on, "pki-generate", true, "")
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	return flags, cmd.Execute()
}

func TestBindEnvironment(t *testing.T) {
	t.Run("nothing set", func(t *testing.T) {
		f, err := bound(t)
		require.NoError(t, err)
		assert.Equal(t, "default", f.url)
		assert.Equal(t, []string{"registry"}, f.services)
	})
	t.Run("every sort", func(t *testing.T) {
		t.Setenv("DOCKIT_BASE_URL", "https://x")
		t.Setenv("DOCKIT_ROOT_PASSWORD", "with space, and comma")
		t.Setenv("DOCKIT_SERVICE", "one, two")
		t.Setenv("DOCKIT_COUNT", "7")
		t.Setenv("DOCKIT_PKI_GENERATE", "false")
		f, err := bound(t)
		require.NoError(t, err)
		assert.Equal(t, "https://x", f.url)
		assert.Equal(t, "with space, and comma", f.secret)
		assert.Equal(t, []string{"one", "two"}, f.services)
		assert.Equal(t, 7, f.count)
		assert.False(t, f.on)
	})
	t.Run("a flag wins", func(t *testing.T) {
		t.Setenv("DOCKIT_BASE_URL", "https://x")
		t.Setenv("DOCKIT_SERVICE", "one,two")
		f, err := bound(t, "--base-url=https://flag", "--service=three")
		require.NoError(t, err)
		assert.Equal(t, "https://flag", f.url)
		assert.Equal(t, []string{"three"}, f.services)
	})
	t.Run("empty is not set", func(t *testing.T) {
		t.Setenv("DOCKIT_BASE_URL", "")
		t.Setenv("DOCKIT_COUNT", "")
		f, err := bound(t)
		require.NoError(t, err)
		assert.Equal(t, "default", f.url)
	})
	t.Run("bad value", func(t *testing.T) {
		t.Setenv("DOCKIT_COUNT", "many")
		_, err := bound(t)
		require.ErrorContains(t, err, "DOCKIT_COUNT")
		assert.Equal(t, 2, ExitCode(err))
	})
	t.Run("secret file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(path, []byte("correct horse\r\n"), 0o600))
		t.Setenv("DOCKIT_ROOT_PASSWORD_FILE", path)
		f, err := bound(t)
		require.NoError(t, err)
		assert.Equal(t, "correct horse", f.secret)
	})
	t.Run("a flag wins over a missing secret file", func(t *testing.T) {
		t.Setenv("DOCKIT_ROOT_PASSWORD_FILE", "/nowhere")
		f, err := bound(t, "--root-password=given")
		require.NoError(t, err)
		assert.Equal(t, "given", f.secret)
	})
	t.Run("only secrets have files", func(t *testing.T) {
		t.Setenv("DOCKIT_BASE_URL_FILE", "/nowhere")
		_, err := bound(t)
		assert.NoError(t, err)
	})
	for name, content := range map[string]string{"empty": "\n", "too large": string(make([]byte, maxSecret+1))} {
		t.Run(name+" secret file", func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			t.Setenv("DOCKIT_ROOT_PASSWORD_FILE", path)
			_, err := bound(t)
			require.ErrorContains(t, err, path)
			assert.Equal(t, 2, ExitCode(err))
		})
	}
	t.Run("secret twice", func(t *testing.T) {
		t.Setenv("DOCKIT_ROOT_PASSWORD", "one-secret")
		t.Setenv("DOCKIT_ROOT_PASSWORD_FILE", "/some/file")
		_, err := bound(t)
		require.ErrorContains(t, err, "DOCKIT_ROOT_PASSWORD and DOCKIT_ROOT_PASSWORD_FILE are both set")
		assert.NotContains(t, err.Error(), "one-secret")
		assert.Equal(t, 2, ExitCode(err))
	})
}

// TestEnvironmentWithWhatFilesLeaveInValues guards that what an editor, a shell
// or docker's --env-file leaves in a value is refused, by the variable's name.
func TestEnvironmentWithWhatFilesLeaveInValues(t *testing.T) {
	for name, value := range map[string]string{
		"carriage return": "dockit\r", "line break": "dockit\n", "tab": "doc\tkit", "escape": "\x1b[1mdockit", "next line": "dockit\u0085",
		"double quotes": `"dockit"`, "single quotes": "'dockit'",
	} {
		for _, variable := range []string{"DOCKIT_BASE_URL", "DOCKIT_SERVICE", "DOCKIT_ROOT_PASSWORD", "DOCKIT_ROOT_PASSWORD_FILE"} {
			t.Run(name+" "+variable, func(t *testing.T) {
				t.Setenv(variable, value)
				_, err := bound(t)
				require.ErrorContains(t, err, variable)
				assert.NotContains(t, err.Error(), "kit\r")
				assert.Equal(t, 2, ExitCode(err))
			})
		}
	}
	t.Run("quotes inside", func(t *testing.T) {
		t.Setenv("DOCKIT_BASE_URL", `it's "fine`)
		_, err := bound(t)
		assert.NoError(t, err)
	})
	for name, content := range map[string]string{"carriage return": "secret-horse\rbattery\n", "two line breaks": "secret-horse\n\n", "two lines": "secret-horse\nbattery"} {
		t.Run("file with "+name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			t.Setenv("DOCKIT_ROOT_PASSWORD_FILE", path)
			_, err := bound(t)
			require.ErrorContains(t, err, path)
			require.ErrorContains(t, err, "control character")
			assert.NotContains(t, err.Error(), "secret-horse")
		})
	}
	t.Run("encryption keys stand on lines", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(path, []byte("new\r\nold\r\n"), 0o600))
		t.Setenv("DOCKIT_PKI_ENCRYPTION_KEY_FILE", path)
		value, _, err := secret("DOCKIT_PKI_ENCRYPTION_KEY")
		require.NoError(t, err)
		assert.Equal(t, "new\nold", value)
	})
}

func TestEnvironmentSwitches(t *testing.T) {
	for value, want := range map[string]bool{"yes": true, "On": true, "1": true, "no": false, "off": false, "FALSE": false} {
		t.Setenv("DOCKIT_PKI_GENERATE", value)
		f, err := bound(t)
		require.NoError(t, err)
		assert.Equal(t, want, f.on, value)
	}
	t.Setenv("DOCKIT_PKI_GENERATE", "perhaps")
	_, err := bound(t)
	require.ErrorContains(t, err, `DOCKIT_PKI_GENERATE: "perhaps": write true or false`)
}

// TestUnknownVariables guards that a mistyped variable is not passed over in
// silence, and that those of Kubernetes and of other commands are.
func TestUnknownVariables(t *testing.T) {
	for name, want := range map[string]string{
		"DOCKIT_SQL_DNS": "did you mean DOCKIT_SQL_DSN?", "DOCKIT_BASE_URLS": "did you mean DOCKIT_BASE_URL?", "DOCKIT_BASE_URL_FILE": "sets nothing",
		"DOCKIT_QUITE_SOMETHING_ELSE": "sets nothing\n", "DOCKIT_SERVICE_HOSTS": "sets nothing",
		"DOCKIT_SQL_DSN": "", "DOCKIT_SQL_DSN_FILE": "", "DOCKIT_USERNAME": "", "DOCKIT_PASSWORD_FILE": "", "DOCKIT_FROM": "", "DOCKIT_FROM_FILE": "sets nothing",
		"DOCKIT_SERVICE_HOST": "", "DOCKIT_SERVICE_PORT": "", "DOCKIT_SERVICE_PORT_HTTP": "", "DOCKIT_PORT": "", "DOCKIT_PORT_4315_TCP": "",
		"DOCKIT_PORT_4315_TCP_ADDR": "", "DOCKIT_ADMIN_SERVICE_HOST": "", "DOCKIT_ADMIN_PORT_80_UDP_PROTO": "", "DOCKITX": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "a secret value")
			one := &cobra.Command{Use: "backup", Run: func(*cobra.Command, []string) {}}
			for _, flag := range []string{"sql-dsn", "from", "username"} {
				one.Flags().String(flag, "", "")
			}
			MarkSecret(one.Flags(), "sql-dsn")
			cmd := NewCommand(one)
			var told strings.Builder
			cmd.SetErr(&told)
			backup, _, err := cmd.Find([]string{"backup"})
			require.NoError(t, err)
			warnOfUnknownVariables(backup)
			warnOfUnknownVariables(backup)
			if want == "" {
				assert.NotContains(t, told.String(), name)
				return
			}
			assert.Contains(t, told.String(), want)
			assert.Equal(t, 1, strings.Count(told.String(), name+" sets nothing"))
			assert.NotContains(t, told.String(), "secret value")
		})
	}
}
