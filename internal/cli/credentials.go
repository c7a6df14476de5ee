package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/dockerconfig"
	"github.com/dockit-registry/dockit/internal/password"
)

// credentials are those of the caller: by flag and standard input, from the
// environment, what docker stored, or asked for.
func (l *LoginFlags) credentials(cmd *cobra.Command, stdinTaken bool) (username, pw string, err error) {
	if l.PasswordStdin && !stdinTaken {
		if l.username == "" {
			return "", "", Usagef("--password-stdin without a name: add --username, or set DOCKIT_USERNAME")
		}
		pw, err := readPassword(cmd)
		return l.username, pw, err
	}
	pw, _, err = secret(Variable("password"))
	if err != nil {
		return "", "", err
	}
	if l.username != "" && pw != "" {
		return l.username, pw, nil
	}
	if pw != "" {
		return "", "", Usagef("DOCKIT_PASSWORD without a name: add --username, or set DOCKIT_USERNAME")
	}
	host, err := l.Registry()
	if err != nil {
		return "", "", UsageError(err)
	}
	stored, err := dockerconfig.Find(cmd.Context(), host)
	if err != nil {
		return "", "", fmt.Errorf("%w: mend it, or use --username with --password-stdin", err)
	}
	if stored.Secret != "" && (l.username == "" || l.username == stored.Username) {
		return stored.Username, stored.Secret, nil
	}
	if stdinTaken && l.PasswordStdin {
		return "", "", fmt.Errorf("no credentials: --password-stdin reads the subject's new password here, so set DOCKIT_USERNAME and DOCKIT_PASSWORD (or DOCKIT_PASSWORD_FILE) to your own, or run docker login %s", host)
	}
	t, ok := TerminalOf(cmd)
	if !ok || l.Silent {
		return "", "", fmt.Errorf("no credentials: use --username with --password-stdin, set DOCKIT_USERNAME and DOCKIT_PASSWORD (or DOCKIT_PASSWORD_FILE), or run docker login %s", host)
	}
	username = l.username
	if username == "" {
		if username, err = t.ask("Username for " + l.BaseURL + ": "); err != nil {
			return "", "", err
		}
	}
	pw, err = t.askSecret(fmt.Sprintf("Password of %s: ", username))
	return username, pw, err
}

// Registry is where docker's stored credentials are looked for.
func (l *LoginFlags) Registry() (dockerconfig.Host, error) {
	if l.RegistryURL != "" {
		return dockerconfig.ParseHost(l.RegistryURL)
	}
	base, err := dockerconfig.ParseHost(l.BaseURL)
	return base.Host(), err
}

// readPassword reads a password from standard input.
func readPassword(cmd *cobra.Command) (string, error) {
	pw, err := readLine(cmd.InOrStdin(), password.MaxLength+2)
	if err != nil {
		return "", fmt.Errorf("read the password from standard input: %w", err)
	}
	if pw == "" {
		return "", errors.New("standard input holds no password")
	}
	return pw, nil
}

// NewPassword gets the password that a user is to have.
func (l *LoginFlags) NewPassword(cmd *cobra.Command, user string) (string, error) {
	var pw string
	var err error
	if l.PasswordStdin {
		pw, err = readPassword(cmd)
	} else {
		t, ok := TerminalOf(cmd)
		if !ok {
			return "", Usagef("no password for %s: give it on standard input with --password-stdin", user)
		}
		pw, err = t.askNewSecret("New password of " + user)
	}
	if err != nil {
		return "", err
	}
	return pw, password.Check(pw)
}
