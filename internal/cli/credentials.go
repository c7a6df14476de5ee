package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/password"
)

// credentials are those of the caller: by flag and standard input, from the
// environment, what docker stored, or asked for.
func (l *loginFlags) credentials(cmd *cobra.Command, stdinTaken bool) (username, pw string, err error) {
	if l.passwordStdin && !stdinTaken {
		if l.username == "" {
			return "", "", usagef("--password-stdin without a name: add --username, or set DOCKIT_USERNAME")
		}
		pw, err := readPassword(cmd)
		return l.username, pw, err
	}
	pw, _, err = secret(variable("password"))
	if err != nil {
		return "", "", err
	}
	if l.username != "" && pw != "" {
		return l.username, pw, nil
	}
	if pw != "" {
		return "", "", usagef("DOCKIT_PASSWORD without a name: add --username, or set DOCKIT_USERNAME")
	}
	host, err := l.registry()
	if err != nil {
		return "", "", UsageError(err)
	}
	stored, pw, err := dockerLogin(cmd.Context(), host)
	if err != nil {
		return "", "", fmt.Errorf("%w: mend it, or use --username with --password-stdin", err)
	}
	if pw != "" && (l.username == "" || l.username == stored) {
		return stored, pw, nil
	}
	if stdinTaken && l.passwordStdin {
		return "", "", fmt.Errorf("no credentials: --password-stdin reads the subject's new password here, so set DOCKIT_USERNAME and DOCKIT_PASSWORD (or DOCKIT_PASSWORD_FILE) to your own, or run docker login %s", host)
	}
	t, ok := terminalOf(cmd)
	if !ok || l.silent {
		return "", "", fmt.Errorf("no credentials: use --username with --password-stdin, set DOCKIT_USERNAME and DOCKIT_PASSWORD (or DOCKIT_PASSWORD_FILE), or run docker login %s", host)
	}
	username = l.username
	if username == "" {
		if username, err = t.ask("Username for " + l.baseURL + ": "); err != nil {
			return "", "", err
		}
	}
	pw, err = t.askSecret(fmt.Sprintf("Password of %s: ", username))
	return username, pw, err
}

// registry is where docker's stored credentials are looked for.
func (l *loginFlags) registry() (registryHost, error) {
	if l.registryURL != "" {
		return hostOf(l.registryURL)
	}
	base, err := hostOf(l.baseURL)
	return base.host(), err
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

// newPassword gets the password that a user is to have.
func (l *loginFlags) newPassword(cmd *cobra.Command, user string) (string, error) {
	var pw string
	var err error
	if l.passwordStdin {
		pw, err = readPassword(cmd)
	} else {
		t, ok := terminalOf(cmd)
		if !ok {
			return "", usagef("no password for %s: give it on standard input with --password-stdin", user)
		}
		pw, err = t.askNewSecret("New password of " + user)
	}
	if err != nil {
		return "", err
	}
	return pw, password.Check(pw)
}
