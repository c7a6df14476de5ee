package rbac

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/duration"
	"github.com/dockit-registry/dockit/internal/federation"
)

// shownIssuer is everything that `issuer show` says.
type shownIssuer struct {
	adminapi.Issuer
	Bindings []string                 `json:"bindings"`
	Refusals []adminapi.IssuerRefusal `json:"refusals"`
}

func (r *rbac) issuerShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Show an issuer with its keys, its bindings and the tokens that were refused lately",
		Long: `Show an issuer with its keys, since when it is away, its bindings, and the latest fifty tokens
of it that were refused, with what did not hold. The tokens themselves are not kept.`,
		Example: "  dockit rbac issuer show github\n  dockit rbac issuer show k8s-prod -o yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			s, err := collectIssuer(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return p.One(s, s.Name, func() { printIssuer(p, s) })
		},
	}
}

func collectIssuer(ctx context.Context, c *client.Client, name string) (shownIssuer, error) {
	s := shownIssuer{Bindings: []string{}, Refusals: []adminapi.IssuerRefusal{}}
	var err error
	if s.Issuer, err = c.Issuer(ctx, name); err != nil {
		return s, err
	}
	for binding, err := range c.Bindings(ctx, client.BindingOptions{Issuer: name}) {
		if err != nil {
			return s, err
		}
		s.Bindings = append(s.Bindings, binding.Name)
	}
	for refusal, err := range c.IssuerRefusals(ctx, name) {
		if err != nil {
			return s, err
		}
		s.Refusals = append(s.Refusals, refusal)
	}
	return s, nil
}

func printIssuer(p *cli.Printer, s shownIssuer) {
	p.Line(s.Name)
	p.Line("  url:       " + s.URL)
	p.Line("  kind:      " + s.Kind)
	p.Line("  state:     " + issuerState(s.Issuer))
	p.Line("  audiences: " + audiencesText(s.Audiences))
	p.Line("  keys from: " + keySource(s.NewIssuer))
	p.Line("  keys:      " + keyIDsText(s.Keys))
	for _, skipped := range s.Keys.Skipped {
		p.Line("             passed over: " + skipped)
	}
	if s.Keys.Away != "" {
		p.Line("  away:      " + s.Keys.Away)
	}
	age := federation.DefaultMaxAge
	if s.MaxAge > 0 {
		age = time.Duration(s.MaxAge) * time.Second
	}
	p.Line("  max age:   " + duration.Format(age))
	if len(s.Bindings) > 0 {
		p.Line("  bindings:  " + strings.Join(s.Bindings, ", "))
	} else {
		p.Line("  bindings:  none, so that no token of it lets anybody in")
	}
	p.Line("")
	// A table of what was read already has nothing left to fail on.
	_ = cli.PrintList(p, cli.ValuesOf(s.Refusals), cli.Listing[adminapi.IssuerRefusal]{
		Header: []any{"refused", "for", "from", "by", "binding", "because"},
		Row: func(r adminapi.IssuerRefusal) []any {
			return []any{day(r.At), dashed(r.Username), dashed(r.Address), dashed(r.Client), dashed(r.Binding), r.Reason}
		},
		Empty: "no token of it was refused lately",
	})
}

func audiencesText(audiences []string) string {
	if len(audiences) == 0 {
		return "the service, or https:// and the service"
	}
	return strings.Join(audiences, ", ")
}

// keySource says in words where keys come from.
func keySource(i adminapi.NewIssuer) string {
	switch {
	case i.JWKS != "":
		return "what was given"
	case i.JWKSURL != "":
		return i.JWKSURL
	case i.JWKSHost != "":
		return "discovery, also on " + i.JWKSHost
	default:
		return "discovery"
	}
}

func keyIDsText(keys adminapi.IssuerKeys) string {
	const shown = 5
	ids := make([]string, 0, shown)
	for _, id := range keys.IDs[:min(len(keys.IDs), shown)] {
		ids = append(ids, dashed(id))
	}
	text := keysText(keys)
	if len(ids) > 0 {
		text += ": " + strings.Join(ids, ", ")
	}
	if len(keys.IDs) > shown {
		text += ", …"
	}
	if !keys.FetchedAt.IsZero() {
		text += ", fetched " + day(keys.FetchedAt)
	}
	return text
}

// printTrial answers by the exit code as well.
func printTrial(p *cli.Printer, t adminapi.TrialResult) error {
	err := p.One(t, yesNo(t.Accepted), func() {
		if p.Quiet {
			return
		}
		if t.Accepted {
			printAccepted(p, t)
			return
		}
		printClaims(p, t)
		for _, b := range t.Bindings {
			printTried(p, b)
		}
	})
	if err != nil || t.Accepted {
		return err
	}
	no := &cli.Answer{Code: 1}
	if !p.Quiet {
		texts := make([]string, len(t.Problems))
		for i, problem := range t.Problems {
			texts[i] = problem.Detail
		}
		no.Text = "no: " + strings.Join(texts, "\n  ")
	}
	return no
}

// printClaims lists what the token says, of which conditions can be made.
func printClaims(p *cli.Printer, t adminapi.TrialResult) {
	if len(t.Claims) == 0 {
		return
	}
	p.Line(fmt.Sprintf("token for %s, of %s:", t.Service, strings.Join(t.Issuers, ", ")))
	for _, claim := range t.Claims {
		p.Line("  " + claim.Name + "=" + claim.Value)
	}
}

func printTried(p *cli.Printer, b adminapi.TrialBinding) {
	verdict := "does not hold"
	if b.Holds {
		verdict = "holds"
	}
	if b.Disabled {
		verdict += ", and is disabled"
	}
	p.Line(fmt.Sprintf("binding %s for %s %s", b.Name, b.Robot, verdict))
	for _, c := range b.Conditions {
		p.Line("  " + trialLine(c))
	}
}

func trialLine(c adminapi.TrialCondition) string {
	want := strings.Join(c.Want, " or ")
	switch {
	case c.Holds:
		return fmt.Sprintf("ok  %s is %s", c.Claim, c.Got)
	case !c.Present:
		return fmt.Sprintf("no  %s is missing, and must be %s", c.Claim, want)
	default:
		return fmt.Sprintf("no  %s is %s, and must be %s", c.Claim, c.Got, want)
	}
}

func printAccepted(p *cli.Printer, t adminapi.TrialResult) {
	p.Line(fmt.Sprintf("yes: for %s it stands for %s, by the binding %s, until %s", t.Service, t.Robot, t.Binding, day(t.Until)))
	if len(t.Permissions) == 0 {
		p.Line("  which may do nothing yet: rbac grant gives it something")
	}
	for _, e := range t.Permissions {
		p.Line(fmt.Sprintf("  %s  from: %s", e.Permission, origin(t.Robot, e.Via)))
	}
	for _, scope := range t.Scopes {
		p.Line("  of that at most " + scope.String())
	}
}
