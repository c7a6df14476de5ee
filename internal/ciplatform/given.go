package ciplatform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/dockit-registry/dockit/internal/idtoken"
)

const givenCure = "get one for that audience"

// fromFile is a file that the caller named.
func (e Environment) fromFile(path string) *Source {
	if path == "-" {
		return &Source{name: "standard input", cure: givenCure, fetch: func(context.Context, string) (string, error) { return read(e.stdin()) }}
	}
	if idtoken.IsCompact(path) { // which must not be shown
		return fileSource("file", path, givenCure)
	}
	return fileSource("file "+path, path, givenCure)
}

func fileSource(name, path, cure string) *Source {
	return &Source{name: name, cure: cure, fetch: func(context.Context, string) (string, error) { return readFile(path) }}
}

// fromVariable is a token in the environment, where GitLab puts those that a
// pipeline declares.
func (e Environment) fromVariable() *Source {
	value := e.get(variable)
	if value == "" {
		return nil
	}
	cure := givenCure
	if e.get("GITLAB_CI") != "" {
		cure = "write it as aud of " + variable + " below id_tokens in .gitlab-ci.yml"
	}
	return &Source{name: variable, cure: cure, fetch: func(context.Context, string) (string, error) { return value, nil }}
}

func (e Environment) fromNamedFile() *Source {
	path := e.get(fileVariable)
	if path == "" {
		return nil
	}
	return fileSource(fileVariable, path, givenCure)
}

// fromMountedFile is the token of a pod. A file that is there and cannot be read is
// meant as well, and the error says why.
func (e Environment) fromMountedFile() *Source {
	path := e.mounted()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fileSource("file "+path, path, "write it as audience of the projected serviceAccountToken")
}

func readFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		if idtoken.IsCompact(path) {
			return "", errors.New("the token itself stands in the place of a file's name, and so in the list of processes: write it to standard input, and name the file -")
		}
		return "", err
	}
	defer file.Close()
	return read(file)
}

// room is for white space around a token, in bytes.
const room = 1024

func read(r io.Reader) (string, error) {
	content, err := io.ReadAll(io.LimitReader(r, idtoken.MaxSize+room+1))
	if err != nil {
		return "", err
	}
	if len(content) > idtoken.MaxSize+room {
		return "", fmt.Errorf("%w: it holds more than %d bytes", idtoken.ErrTooLarge, idtoken.MaxSize)
	}
	return strings.TrimSpace(string(content)), nil
}
