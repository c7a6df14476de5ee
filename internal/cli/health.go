package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/internal/version"
)

// maxHealth is how much of an answer is read, in bytes.
const maxHealth = 64 << 10

const healthLong = `Ask a server whether it is ready: whether tokens can be issued.

The server is the one at URL, or at --base-url. What is asked is /readyz below it, which
api-server and 'dockit run' serve beside everything else, and on the listener of the metrics.
Exits with 0 when it is ready or degraded (tokens are issued, from memory, or nothing can be
changed), with 1 and the reason otherwise. Nothing is redirected: name the server itself.

It needs no shell and no other program, for a HEALTHCHECK in an image without any.`

func newHealthCommand() *cobra.Command {
	f := &ConnectionFlags{}
	cmd := &cobra.Command{
		Use:   "health [URL]",
		Short: "Ask a server whether it is ready",
		Long:  healthLong,
		Example: `  dockit health
  dockit health https://auth.example.com --ca-file ca.pem
  dockit health http://localhost:9090     # --metrics-listen :9090, beside --domain`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.BaseURL = args[0]
			}
			base, err := ParseBaseURL(f.BaseURL)
			if err != nil {
				return UsageError(err)
			}
			roots, err := f.Roots(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			status, err := askHealth(cmd.Context(), f.HTTPClient(roots), base.JoinPath("readyz"))
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), status)
			return nil
		},
	}
	f.Register(cmd.Flags(), 10*time.Second, "how long to wait for the answer")
	return cmd
}

// askHealth returns what a server says that is ready.
func askHealth(ctx context.Context, server *http.Client, ready *url.URL) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, ready.String(), nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("User-Agent", "dockit/"+version.Read().Version)
	response, err := server.Do(request)
	if err != nil {
		return "", fmt.Errorf("%s: %w", ready, ExplainConnection(err))
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxHealth))
	if err != nil {
		return "", fmt.Errorf("%s: read the answer: %w", ready, err)
	}
	var said struct {
		Status string `json:"status"`
		Reason string `json:"reason"`
	}
	_ = json.Unmarshal(content, &said) // the status code is what counts
	told := printable.Clip(strings.Join(strings.Fields(said.Status+": "+said.Reason), " "))
	told = strings.Trim(told, ": ")
	switch location := response.Header.Get("Location"); {
	case response.StatusCode == http.StatusOK:
		return cmp.Or(told, "ready"), nil
	case told != "":
		return "", fmt.Errorf("%s: status %s: %s", ready, response.Status, told)
	case location != "":
		return "", fmt.Errorf("%s: status %s: it redirects to %q: ask that server", ready, response.Status, printable.Clip(location))
	default:
		return "", fmt.Errorf("%s: status %s", ready, response.Status)
	}
}
