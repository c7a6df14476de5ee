//go:build kubeapiserver

package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/kubeapi"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// TestServiceAccounts has a real API server of Kubernetes as an issuer: its service accounts push and pull with the tokens that
// it signs for them, whether its keys are discovered as a service account may or given by hand.
func TestServiceAccounts(t *testing.T) {
	k := kubeapi.Start(t, kubeapi.Options{})
	k.AddServiceAccount(t, "default", "dockit", nil)
	k.AddServiceAccount(t, "default", "pusher", nil)
	k.AddServiceAccount(t, "default", "stranger", nil)
	bearer := writeFile(t, "token", k.Token(t, "default", "dockit", k.URL))
	s := startStack(t, registry.V3)

	// Who has no account of the cluster may not ask for its keys.
	_, err := s.admin.Run(t.Context(), "rbac", "issuer", "add", "cluster", "--url", k.URL, "--kind", "kubernetes", "--ca-file", k.CA)
	require.ErrorContains(t, err, "40") // 401 or 403
	s.rbac(t, "issuer", "add", "cluster", "--url", k.URL, "--kind", "kubernetes", "--ca-file", k.CA, "--bearer-file", bearer)
	// The same cluster as another one that cannot be reached, with an audience of its own.
	keys := k.Ask(t, http.MethodGet, "/openid/v1/jwks", nil)
	_, err = s.admin.RunInput(t.Context(), string(keys), "rbac", "issuer", "add", "closed", "--url", k.URL, "--kind", "kubernetes", "--jwks", "-", "--audience", "closed.test")
	require.NoError(t, err)

	for issuer, audience := range map[string]string{"cluster": service, "closed": "closed.test"} {
		t.Run(issuer, func(t *testing.T) {
			robot := s.unique("ci")
			s.rbac(t, "add", "robot:"+robot)
			s.rbac(t, "grant", "robot:"+robot, "repository:"+robot+"/app:push")
			s.rbac(t, "binding", "add", robot, "--issuer", issuer, "--robot", "robot:"+robot,
				"--claim", "kubernetes.io/namespace=default", "--claim", "kubernetes.io/serviceaccount/name=pusher")
			as := func(account, audience string) client {
				return client{host: s.registry.Host, username: robot, password: k.Token(t, "default", account, audience)}
			}
			requirePushed(t, as("pusher", audience), robot+"/app")
			for _, wrong := range []client{as("stranger", audience), as("pusher", "somebody else"), as("pusher", k.URL)} {
				_, err := wrong.pull(t, robot+"/app")
				requireLoginRefused(t, err)
			}
			t.Log(s.rbac(t, "issuer", "show", issuer))
		})
	}
}
