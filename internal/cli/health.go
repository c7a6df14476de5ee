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

With --token-for it is asked for a token of that service besides, as a client that has no login
asks: that is issued wherever the service is known and a key can sign, whatever it opens.

It needs no shell and no other program, for a HEALTHCHECK in an image without any.`

func newHealthCommand() *cobra.Command {
	f := &ConnectionFlags{}
	var services []string
	cmd := &cobra.Command{
		Use:   "health [URL]",
		Short: "Ask a server whether it is ready",
		Long:  healthLong,
		Example: `  dockit health
  dockit health https://auth.example.com --ca-file ca.pem
  dockit health --token-for registry.example.com
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
			server := f.HTTPClient(roots)
			status, err := askHealth(cmd.Context(), server, base.JoinPath("readyz"))
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), status)
			for _, service := range services {
				if err := askToken(cmd.Context(), server, base.JoinPath("v2", "token"), service); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "it issues tokens for %s\n", service)
			}
			return nil
		},
	}
	f.Register(cmd.Flags(), 10*time.Second, "how long to wait for the answer")
	cmd.Flags().StringArrayVar(&services, "token-for", nil, "`name` of a service to ask for a token of, too (repeatable)")
	return cmd
}

// askHealth returns what a server says that is ready.
func askHealth(ctx context.Context, server *http.Client, ready *url.URL) (string, error) {
	answer, err := get(ctx, server, ready)
	if err != nil {
		return "", err
	}
	var said struct {
		Status string `json:"status"`
		Reason string `json:"reason"`
	}
	_ = json.Unmarshal(answer.content, &said) // the status code is what counts
	told := printable.Clip(strings.Join(strings.Fields(said.Status+": "+said.Reason), " "))
	told = strings.Trim(told, ": ")
	switch location := answer.location; {
	case answer.code == http.StatusOK:
		return cmp.Or(told, "ready"), nil
	case told != "":
		return "", fmt.Errorf("%s: status %s: %s", ready, answer.status, told)
	case location != "":
		return "", fmt.Errorf("%s: status %s: it redirects to %q: ask that server", ready, answer.status, printable.Clip(location))
	default:
		return "", fmt.Errorf("%s: status %s", ready, answer.status)
	}
}

// askToken asks for a token of a service as a client without a login does.
func askToken(ctx context.Context, server *http.Client, endpoint *url.URL, service string) error {
	endpoint.RawQuery = url.Values{"service": {service}, "scope": {"repository:health:pull"}}.Encode()
	answer, err := get(ctx, server, endpoint)
	if err != nil {
		return err
	}
	if answer.code != http.StatusOK {
		told := printable.Clip(strings.Join(strings.Fields(string(answer.content)), " "))
		return fmt.Errorf("%s: no token for %s: status %s: %s", endpoint, service, answer.status, told)
	}
	var said struct {
		Token string `json:"token"`
	}
	const parts = 3
	if err := json.Unmarshal(answer.content, &said); err != nil || len(strings.Split(said.Token, ".")) != parts {
		return fmt.Errorf("%s: it answers with something that is no token: is that Dockit?", endpoint)
	}
	return nil
}

// answer is what a server said.
type answer struct {
	code             int
	status, location string
	content          []byte
}

// get asks once, and reads the answer.
func get(ctx context.Context, server *http.Client, from *url.URL) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("User-Agent", "dockit/"+version.Read().Version)
	response, err := server.Do(request)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", from, ExplainConnection(err))
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxHealth))
	if err != nil {
		return answer{}, fmt.Errorf("%s: read the answer: %w", from, err)
	}
	return answer{code: response.StatusCode, status: response.Status, location: response.Header.Get("Location"), content: content}, nil
}
