// Package trust holds the command that has Dockit trust a cluster.
package trust

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/kubernetes/internal/cluster"
	"github.com/dockit-registry/dockit/state"
)

type command struct {
	cluster   cluster.Flags
	login     cli.LoginFlags
	audiences []string
	discover  bool
	// replaceKeys takes keys of which the issuer has none.
	replaceKeys bool
	// static hands the keys over although Dockit reads them itself.
	static bool
}

// NewCommand makes the command trust.
func NewCommand() *cobra.Command {
	var c command
	cmd := &cobra.Command{
		Use:   "trust NAME",
		Short: "Have Dockit trust the service accounts of a cluster",
		Long: `Have Dockit trust the service accounts of a cluster: make an issuer of that name, with the
URL and the keys that the API server publishes. Who reads the cluster is whoever kubectl
would be; who speaks to Dockit is an admin, as with 'dockit rbac'.

The keys are handed over as they are, so that Dockit need not reach the cluster: run the
command again when the cluster has another key, and the issuer gets that. With --discover
Dockit reads them itself from now on, where the issuer's URL can be reached from there
without an account (EKS, GKE, AKS). An issuer whose keys Dockit reads itself, as with
cluster.trust of the chart, goes on that way: only its audiences change. With --static it
gets the keys of now instead, and Dockit reads none any more.

Clusters often have one URL, https://kubernetes.default.svc.cluster.local: give each an
--audience of its own then, and kubelets and pods ask for tokens with that. An issuer gets
no keys that have none in common with its own, for those are another cluster's: where one
cluster has changed all of its keys at once, --replace-keys gives it them.`,
		Example: `  dockit-kubernetes trust prod
  dockit-kubernetes trust prod --context admin@prod --audience registry-prod
  dockit-kubernetes trust eks --discover
  dockit-kubernetes trust eks --static     # the keys of now, for a Dockit that cannot read them any more`,
		Args: cobra.ExactArgs(1),
		RunE: c.run,
	}
	c.cluster.Register(cmd.Flags())
	c.login.Register(cmd.Flags())
	cmd.Flags().StringArrayVar(&c.audiences, "audience", nil, "what its tokens must name as `audience`, for any service (repeatable; default the service itself)")
	cmd.Flags().BoolVar(&c.discover, "discover", false, "have Dockit read the keys at the issuer's URL")
	cmd.Flags().BoolVar(&c.static, "static", false, "hand over the keys of now although Dockit reads them itself so far")
	cmd.MarkFlagsMutuallyExclusive("discover", "static")
	cmd.Flags().BoolVar(&c.replaceKeys, "replace-keys", false, "take the cluster's keys although the issuer has none of them; where Dockit reads them itself, with --static")
	return cmd
}

func (c *command) run(cmd *cobra.Command, args []string) error {
	kube, err := c.cluster.Client()
	if err != nil {
		return err
	}
	found, err := cluster.Discover(cmd.Context(), kube)
	if err != nil {
		return err
	}
	server, err := c.login.Client(cmd, false)
	if err != nil {
		return err
	}
	wanted := adminapi.NewIssuer{Name: args[0], URL: found.URL, Kind: "kubernetes", Audiences: c.audiences}
	if !c.discover {
		wanted.JWKS = found.Keys
	}
	said, err := c.put(cmd.Context(), server, wanted, found.Keys)
	if err == nil {
		fmt.Fprintln(cmd.OutOrStdout(), said)
	}
	return err
}

// put makes the issuer, or gives one that is there the keys of now, unless Dockit reads them itself. The keys of the cluster say whether it is the issuer's,
// whichever of the two reads them from now on.
func (c *command) put(ctx context.Context, server *client.Client, wanted adminapi.NewIssuer, keys string) (string, error) {
	current, err := server.Issuer(ctx, wanted.Name)
	switch {
	case errors.Is(err, client.ErrNotFound):
		made, err := server.CreateIssuer(ctx, wanted)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("added %s: trusts %s with the keys %s; say which tokens stand for which robot with dockit rbac binding add --issuer %[1]s", made.Name, made.URL, strings.Join(made.Keys.IDs, ", ")), nil
	case err != nil:
		return "", err
	case current.URL != wanted.URL:
		return "", fmt.Errorf("the issuer %s is %s, and this cluster is %s: choose another name, or remove that one", wanted.Name, current.URL, wanted.URL)
	case !c.replaceKeys && ofAnotherCluster(known{current.JWKS, current.Keys.IDs}, keys):
		return "", fmt.Errorf("the issuer %s has no key of this cluster, which has the same URL: is it another one? Choose the cluster with --context, "+
			"or another name; if the cluster has changed all of its keys, add --replace-keys", wanted.Name)
	}
	kept := ""
	if current.JWKS == "" && wanted.JWKS != "" && !c.static {
		// The keys of now in its place would be right until the cluster has others.
		wanted.JWKS = ""
		kept = "; Dockit reads its keys itself, and goes on doing that: dockit rbac issuer show " + wanted.Name + " says when it did, and --static hands over those of now instead"
	}
	document, err := documentOf(current.NewIssuer, wanted)
	if err != nil {
		return "", err
	}
	plan, err := server.ApplyState(ctx, strings.NewReader(document), state.Options{})
	switch {
	case err != nil:
		return "", err
	case len(plan.Issuers) == 0:
		return wanted.Name + " is as it should be" + kept, nil
	default:
		return "changed " + wanted.Name + ": " + strings.Join(append(prefixed("- ", plan.Issuers[0].Remove), prefixed("+ ", plan.Issuers[0].Add)...), ", ") + kept, nil
	}
}

func prefixed(prefix string, texts []string) []string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = prefix + text
	}
	return all
}

// documentOf is the state document that changes keys and audiences of an issuer alone.
func documentOf(current, wanted adminapi.NewIssuer) (string, error) {
	next := state.Issuer{
		Name: current.Name, URL: current.URL, Kind: "kubernetes", Audiences: wanted.Audiences, JWKS: wanted.JWKS, Disabled: current.Disabled,
		MaxAge: time.Duration(current.MaxAge) * time.Second,
	}
	if len(wanted.Audiences) == 0 {
		next.Audiences = current.Audiences
	}
	if wanted.JWKS == "" {
		next.JWKSURL, next.JWKSHost, next.CA, next.BearerFile = current.JWKSURL, current.JWKSHost, current.CA, current.BearerFile
	}
	var text strings.Builder
	w := state.NewWriter(&text, state.YAML)
	if err := w.WriteIssuer(next); err != nil {
		return "", err
	}
	err := w.Close()
	return text.String(), err
}
