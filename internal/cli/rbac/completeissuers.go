package rbac

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/subject"
)

// completeIssuers gives the shell what the arguments and flags of issuer and
// binding are.
func (r *rbac) completeIssuers(cmd *cobra.Command) {
	for path, arguments := range map[string][]completer{
		"issuer add": {}, "issuer list": {}, "issuer show": {r.completeIssuerNames}, "issuer enable": {r.completeIssuerNames},
		"issuer disable": {r.completeIssuerNames}, "issuer remove": {r.completeIssuerNames}, "issuer refresh": {r.completeIssuerNames},
		"binding add": {}, "binding list": {}, "binding show": {r.completeBindingNames}, "binding enable": {r.completeBindingNames},
		"binding disable": {r.completeBindingNames}, "binding remove": {r.completeBindingNames},
	} {
		sub, _, err := cmd.Find(strings.Fields(path))
		if err != nil || sub == cmd {
			continue
		}
		sub.ValidArgsFunction = inOrder(arguments)
		for flag, complete := range map[string]completer{
			"issuer": r.completeIssuerNames,
			"robot":  r.completeRefs(subject.Robot),
			"claim":  r.completeClaims,
			"kind":   cobra.FixedCompletions(kindCompletions(), cobra.ShellCompDirectiveNoFileComp),
			"scope":  cobra.FixedCompletions([]string{"repository:", "namespace:"}, cobra.ShellCompDirectiveNoSpace|cobra.ShellCompDirectiveNoFileComp),
		} {
			if sub.Flags().Lookup(flag) != nil {
				_ = sub.RegisterFlagCompletionFunc(flag, complete) // it fails for unknown flags only
			}
		}
	}
}

func kindCompletions() []string {
	offers := make([]string, len(federation.Kinds))
	for i, kind := range federation.Kinds {
		offers[i] = cobra.CompletionWithDesc(string(kind), kind.Title())
	}
	return offers
}

func (r *rbac) completeIssuerNames(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion
	r.ask(cmd, func(ctx context.Context, c *client.Client) {
		for i, err := range c.Issuers(ctx, client.ListOptions{Prefix: typed, PageSize: maxCompletions}) {
			if err != nil || len(names) == maxCompletions {
				return
			}
			names = append(names, cobra.CompletionWithDesc(i.Name, i.Kind+", "+issuerState(i)))
		}
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (r *rbac) completeBindingNames(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion
	r.ask(cmd, func(ctx context.Context, c *client.Client) {
		for b, err := range c.Bindings(ctx, client.BindingOptions{Prefix: typed, PageSize: maxCompletions}) {
			if err != nil || len(names) == maxCompletions {
				return
			}
			names = append(names, cobra.CompletionWithDesc(b.Name, b.Issuer+" for "+b.Robot.String()+", "+bindingState(b)))
		}
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeClaims offers the claims that tokens of the issuer are known to have.
func (r *rbac) completeClaims(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	issuer, err := cmd.Flags().GetString("issuer")
	if err != nil || issuer == "" || strings.Contains(typed, "=") {
		return nil, directive
	}
	var offers []cobra.Completion
	r.ask(cmd, func(ctx context.Context, c *client.Client) {
		found, err := c.Issuer(ctx, issuer)
		if err != nil {
			return
		}
		for _, claim := range federation.Kind(found.Kind).KnownClaims() {
			if strings.HasPrefix(claim.Name, typed) {
				offers = append(offers, cobra.CompletionWithDesc(claim.Name+"=", claim.Help))
			}
		}
	})
	return offers, directive
}
