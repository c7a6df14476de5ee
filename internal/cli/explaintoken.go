package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/internal/token"
)

// maxToken is the largest input that a token is looked for in, in bytes.
const maxToken = 256 << 10

// explanation is what can be said about a token.
type explanation struct {
	// Signed tells whether the Dockit that was asked signed it.
	Signed bool `json:"signed"`
	// Valid tells whether a registry would take it now.
	Valid bool `json:"valid"`
	// Problems say why it is not valid.
	Problems []string `json:"problems,omitempty"`

	KeyID     string         `json:"key_id,omitempty"`
	Algorithm string         `json:"algorithm"`
	Issuer    string         `json:"issuer"`
	Service   string         `json:"service"`
	Subject   string         `json:"subject"`
	IssuedAt  time.Time      `json:"issued_at"`
	NotBefore time.Time      `json:"not_before"`
	ExpiresAt time.Time      `json:"expires_at"`
	Access    []token.Access `json:"access"`
}

func (r *rbac) explainTokenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain-token",
		Short: "Say whether a registry token is from this Dockit, still valid, and what it opens",
		Long: `Read a registry token from standard input and say whether this Dockit signed it, whether it
is still valid, and what it opens. The answer is also the exit code: 0 valid, 1 not.

The token stays here: it is checked with the keys that Dockit publishes at /v2/certs, for
which no credentials are needed. The whole answer of a token endpoint is taken as well.`,
		Example: `  dockit rbac explain-token < token.txt
  curl -su alice 'https://auth.example.com/v2/token?service=registry' | dockit rbac explain-token
  dockit rbac explain-token -o json < token.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := r.output.printer(cmd)
			if err != nil {
				return err
			}
			if t, ok := terminalOf(cmd); ok {
				fmt.Fprintln(t.out, "Paste the token, then end with Ctrl-D:")
			}
			raw, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxToken+1))
			if err != nil {
				return fmt.Errorf("read the token from standard input: %w", err)
			}
			e, err := r.explain(cmd.Context(), cmd.ErrOrStderr(), string(raw))
			if err != nil {
				return err
			}
			if err := p.one(e, yesNo(e.Valid), func() { printExplanation(p, e) }); err != nil {
				return err
			}
			if !e.Valid {
				return &answer{code: 1}
			}
			return nil
		},
	}
}

// explain checks a token against the keys that the server publishes.
func (r *rbac) explain(ctx context.Context, warnings io.Writer, input string) (explanation, error) {
	raw, err := tokenIn(input)
	if err != nil {
		return explanation{}, err
	}
	parsed, err := parseToken(raw)
	if err != nil {
		return explanation{}, err
	}
	roots, err := r.login.roots(warnings)
	if err != nil {
		return explanation{}, err
	}
	trusted, err := fetchTrust(ctx, r.login.baseURL, parsed.audience(), roots, r.login.insecure, r.login.timeout)
	if err != nil {
		return explanation{}, err
	}
	return parsed.explain(trusted, time.Now()), nil
}

// tokenIn finds the token in what was pasted: alone, behind Bearer, or in the
// answer of a token endpoint.
func tokenIn(input string) (string, error) {
	input = strings.TrimSpace(input)
	if len(input) > maxToken {
		return "", fmt.Errorf("standard input holds more than %d bytes: that is no token", maxToken)
	}
	if strings.HasPrefix(input, "{") {
		var body struct {
			Token       string `json:"token"`
			AccessToken string `json:"access_token"`
		}
		if err := json.Unmarshal([]byte(input), &body); err != nil {
			return "", fmt.Errorf("standard input is no answer of a token endpoint: %w", err)
		}
		if input = body.Token; input == "" {
			input = body.AccessToken
		}
	}
	if scheme, rest, ok := strings.Cut(input, " "); ok && strings.EqualFold(scheme, "Bearer") {
		input = strings.TrimSpace(rest)
	}
	if input == "" {
		return "", errors.New("standard input holds no token")
	}
	return input, nil
}

func printExplanation(p *printer, e explanation) {
	p.line("valid:    " + yesNo(e.Valid))
	for _, problem := range e.Problems {
		p.line("          " + problem)
	}
	p.line("signed:   " + yesNo(e.Signed) + " (" + visible(e.Algorithm) + ", key " + visible(e.KeyID) + ")")
	p.line("issuer:   " + visible(e.Issuer))
	p.line("service:  " + visible(e.Service))
	subject := visible(e.Subject)
	if e.Subject == "" {
		subject = "(anonymous)"
	}
	p.line("subject:  " + subject)
	p.line("issued:   " + e.IssuedAt.Format(time.RFC3339))
	p.line("expires:  " + e.ExpiresAt.Format(time.RFC3339))
	if len(e.Access) == 0 {
		p.line("opens:    nothing")
	}
	for i, access := range e.Access {
		label := "opens:    "
		if i > 0 {
			label = "          "
		}
		p.line(label + visible(access.Type) + ":" + visible(access.Name) + ":" + visible(strings.Join(access.Actions, ",")))
	}
}

// visible keeps what a token says from steering the terminal. Anybody can
// write a token.
func visible(s string) string {
	return printable.Line(clip(s))
}
