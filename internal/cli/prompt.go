package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Terminal is where questions can be asked: standard input, if a person sits
// at it. Questions go to standard error.
type Terminal struct {
	in  *os.File
	Out io.Writer
}

// TerminalOf returns where a command can ask, if it can.
func TerminalOf(cmd *cobra.Command) (*Terminal, bool) {
	file, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil, false
	}
	return &Terminal{file, cmd.ErrOrStderr()}, true
}

// ask reads a line.
func (t *Terminal) ask(question string) (string, error) {
	fmt.Fprint(t.Out, question)
	line, err := bufio.NewReader(t.in).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("read from the terminal: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// askSecret reads a line without showing it. An interrupt leaves the terminal
// as it was.
func (t *Terminal) askSecret(question string) (string, error) {
	fd := int(t.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("prepare the terminal: %w", err)
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	defer signal.Stop(interrupted)

	type result struct {
		secret []byte
		err    error
	}
	read := make(chan result, 1)
	fmt.Fprint(t.Out, question)
	go func() {
		secret, err := term.ReadPassword(fd)
		read <- result{secret, err}
	}()
	select {
	case r := <-read:
		fmt.Fprintln(t.Out)
		if r.err != nil {
			return "", fmt.Errorf("read from the terminal: %w", r.err)
		}
		return string(r.secret), nil
	case <-interrupted:
		fmt.Fprintln(t.Out)
		return "", errors.Join(errors.New("interrupted"), term.Restore(fd, before))
	}
}

// askNewSecret reads a new secret twice.
func (t *Terminal) askNewSecret(question string) (string, error) {
	first, err := t.askSecret(question + ": ")
	if err != nil {
		return "", err
	}
	second, err := t.askSecret(question + " again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two are not equal: nothing was changed")
	}
	return first, nil
}
