// Package ciplatform finds the token that a CI service or a cluster signed for the
// job or workload that this program runs in, and says what a pipeline lacks where
// there is none.
package ciplatform

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"os"
)

// MountedFile is where a pod has the token that it mounts for Dockit. The one that
// every pod has by default is for the cluster's own API, and is sent nowhere.
const MountedFile = "/var/run/secrets/dockit/token"

var (
	// ErrNone is returned where there is no token: see [Environment.Advice].
	ErrNone = errors.New("this job or workload has no token of its own")
	// ErrTwo is returned where it is not clear which token is meant.
	ErrTwo = errors.New(variable + " and " + fileVariable + " are both set: unset one of them")
)

const (
	variable     = "DOCKIT_ID_TOKEN"
	fileVariable = "DOCKIT_ID_TOKEN_FILE"
)

// Environment is what a job or workload finds around it.
type Environment struct {
	// Getenv reads a variable. Default: [os.Getenv].
	Getenv func(name string) string
	// Stdin is what the file - stands for. Default: [os.Stdin].
	Stdin io.Reader
	// Mounted is the file of a pod. Default: [MountedFile].
	Mounted string
	// HTTP asks a CI service for a token. It must not follow redirects. Default: no
	// service is asked, and that is an error where one would be.
	HTTP *http.Client
}

func (e Environment) get(name string) string {
	if e.Getenv == nil {
		return os.Getenv(name)
	}
	return e.Getenv(name)
}

// is reports whether a variable says yes.
func (e Environment) is(name string) bool {
	switch e.get(name) {
	case "true", "True", "1":
		return true
	default:
		return false
	}
}

func (e Environment) mounted() string { return cmp.Or(e.Mounted, MountedFile) }

func (e Environment) stdin() io.Reader {
	if e.Stdin == nil {
		return os.Stdin
	}
	return e.Stdin
}

// Find finds where the token comes from, and reads or asks for nothing yet: the
// file that is named, - for standard input; the variables and the file of Dockit's
// own; or what the CI service has for every job. Errors: [ErrNone], [ErrTwo].
func (e Environment) Find(file string) (*Source, error) {
	if file != "" {
		return e.fromFile(file), nil
	}
	if e.get(variable) != "" && e.get(fileVariable) != "" {
		return nil, ErrTwo
	}
	for _, find := range []func() *Source{e.fromVariable, e.fromNamedFile, e.fromMountedFile, e.fromActions, e.fromBuildkite, e.fromCircleCI, e.fromBitbucket} {
		if source := find(); source != nil {
			return source, nil
		}
	}
	return nil, ErrNone
}
