package rbac

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/cli/registrytoken"
	"github.com/dockit-registry/dockit/internal/token"
)

// tokenLeeway is how far apart the clocks of those who issue tokens and those
// who check them may be: as much as distribution allows.
const tokenLeeway = time.Minute

// explanation is what can be said about a token.
type explanation struct {
	// Signed reports whether the Dockit that was asked signed it.
	Signed bool `json:"signed"`
	// Valid reports whether a registry would take it now.
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
			p, err := r.output.Printer(cmd)
			if err != nil {
				return err
			}
			if t, ok := cli.TerminalOf(cmd); ok {
				fmt.Fprintln(t.Out, "Paste the token, then end with Ctrl-D:")
			}
			raw, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), registrytoken.MaxSize+1))
			if err != nil {
				return fmt.Errorf("read the token from standard input: %w", err)
			}
			e, err := r.explain(cmd.Context(), cmd.ErrOrStderr(), string(raw))
			if err != nil {
				return err
			}
			if err := p.One(e, yesNo(e.Valid), func() { printExplanation(p, e) }); err != nil {
				return err
			}
			if !e.Valid {
				return &cli.Answer{Code: 1}
			}
			return nil
		},
	}
}

// explain checks a token against the keys that the server publishes.
func (r *rbac) explain(ctx context.Context, warnings io.Writer, input string) (explanation, error) {
	raw, err := registrytoken.Find(input)
	if err != nil {
		return explanation{}, err
	}
	parsed, err := registrytoken.Parse(raw)
	if err != nil {
		return explanation{}, err
	}
	roots, err := r.login.Roots(warnings)
	if err != nil {
		return explanation{}, err
	}
	trusted, err := registrytoken.FetchTrust(ctx, r.login.BaseURL, parsed.Service(), roots, r.login.Insecure, r.login.Timeout)
	if err != nil {
		return explanation{}, err
	}
	return explained(parsed, trusted, time.Now()), nil
}

// explained says what a token is at a time.
func explained(t *registrytoken.Token, trusted *registrytoken.Trust, now time.Time) explanation {
	header, claims := t.Header(), t.Claims
	e := explanation{
		Signed:    trusted.Verifies(t),
		KeyID:     header.KeyID,
		Algorithm: header.Algorithm,
		Issuer:    claims.Issuer,
		Service:   t.Service(),
		Subject:   claims.Subject,
		IssuedAt:  seconds(claims.IssuedAt),
		NotBefore: seconds(claims.NotBefore),
		ExpiresAt: seconds(claims.ExpiresAt),
		Access:    slices.Concat([]token.Access{}, claims.Access),
	}
	if !e.Signed {
		e.Problems = append(e.Problems, "no key that this Dockit publishes made the signature: it is from another Dockit, or of a key that was retired")
	}
	if trusted.UnknownService {
		e.Problems = append(e.Problems, "this Dockit issues no tokens for service "+cli.Visible(e.Service))
	}
	if now.After(e.ExpiresAt.Add(tokenLeeway)) {
		e.Problems = append(e.Problems, "it expired "+now.Sub(e.ExpiresAt).Round(time.Second).String()+" ago")
	}
	if now.Add(tokenLeeway).Before(e.NotBefore) {
		e.Problems = append(e.Problems, "it is valid in "+e.NotBefore.Sub(now).Round(time.Second).String()+" only: compare the clocks")
	}
	e.Valid = len(e.Problems) == 0
	return e
}

// seconds reads a date of a token. Dates that no clock shows become the zero
// time.
func seconds(s float64) time.Time {
	if s != s || s < 0 || s > 253402300799 { // the end of the year 9999
		return time.Time{}
	}
	return time.Unix(int64(s), 0).UTC()
}

func printExplanation(p *cli.Printer, e explanation) {
	p.Line("valid:    " + yesNo(e.Valid))
	for _, problem := range e.Problems {
		p.Line("          " + problem)
	}
	p.Line("signed:   " + yesNo(e.Signed) + " (" + cli.Visible(e.Algorithm) + ", key " + cli.Visible(e.KeyID) + ")")
	p.Line("issuer:   " + cli.Visible(e.Issuer))
	p.Line("service:  " + cli.Visible(e.Service))
	subject := cli.Visible(e.Subject)
	if e.Subject == "" {
		subject = "(anonymous)"
	}
	p.Line("subject:  " + subject)
	p.Line("issued:   " + e.IssuedAt.Format(time.RFC3339))
	p.Line("expires:  " + e.ExpiresAt.Format(time.RFC3339))
	if len(e.Access) == 0 {
		p.Line("opens:    nothing")
	}
	for i, access := range e.Access {
		label := "opens:    "
		if i > 0 {
			label = "          "
		}
		p.Line(label + cli.Visible(access.Type) + ":" + cli.Visible(access.Name) + ":" + cli.Visible(strings.Join(access.Actions, ",")))
	}
}
