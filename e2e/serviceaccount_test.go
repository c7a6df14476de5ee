//go:build kubeapiserver

package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
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
	require.ErrorContains(t, err, k.URL+"/.well-known/openid-configuration answers with status 403: it asks who reads it")
	_, err = s.admin.Run(t.Context(), "rbac", "issuer", "add", "cluster", "--url", k.URL, "--kind", "kubernetes", "--ca-file", k.CA,
		"--bearer-file", writeFile(t, "wrong", k.Token(t, "default", "dockit", service)))
	require.ErrorContains(t, err, k.URL+"/.well-known/openid-configuration answers with status 401")
	for _, path := range []string{"/.well-known/openid-configuration", "/openid/v1/jwks"} {
		for who, wanted := range map[string]struct {
			bearer string
			status int
		}{
			"nobody":                      {"", http.StatusForbidden},
			"who has a token of nobody's": {"wrong", http.StatusUnauthorized},
			"who has one for another":     {k.Token(t, "default", "dockit", service), http.StatusUnauthorized},
			"a service account":           {k.Token(t, "default", "dockit", k.URL), http.StatusOK},
		} {
			status, answer := k.Try(t, wanted.bearer, http.MethodGet, path, nil)
			assert.Equal(t, wanted.status, status, "%s: %s: %s", path, who, answer)
		}
	}
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
