package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Only a server that cannot be reached makes people look whether it runs.
func TestRemedyOfConnections(t *testing.T) {
	_, missing := os.ReadFile(filepath.Join(t.TempDir(), "none"))
	_, folder := os.ReadFile(t.TempDir())
	denied := &os.LinkError{Op: "rename", Old: "a", New: "b", Err: errors.Unwrap(missing)}
	_, execution := os.StartProcess(filepath.Join(t.TempDir(), "none"), nil, new(os.ProcAttr))
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	_, taken := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	require.NoError(t, listener.Close())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address, nil)
	require.NoError(t, err)
	response, refused := new(http.Client).Do(request)
	if refused == nil {
		response.Body.Close()
	}

	speaking := new(cobra.Command)
	new(ConnectionFlags).Register(speaking.Flags(), time.Second, "")
	for name, c := range map[string]struct {
		err  error
		asks bool
	}{
		"a missing file":           {missing, false},
		"a folder":                 {folder, false},
		"a rename":                 {denied, false},
		"a program":                {execution, false},
		"a listener":               {taken, false},
		"a refused connection":     {refused, true},
		"the same without its URL": {errors.Unwrap(refused), true},
		"a name that is unknown":   {&url.Error{Op: "Get", URL: "http://x", Err: &net.DNSError{Name: "x", IsNotFound: true}}, true},
		"a timeout":                {context.DeadlineExceeded, true},
		"a connection and a file":  {errors.Join(refused, missing), true},
	} {
		require.Error(t, c.err, name)
		err := fmt.Errorf("doing something: %w", c.err)
		hint := hintOf(speaking, err)
		assert.Equal(t, c.asks, hint != "", "%s: %v: %q", name, c.err, hint)
		assert.Empty(t, hintOf(new(cobra.Command), err), "%s: a command without a server", name)
	}
}
