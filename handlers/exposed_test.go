package handlers

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/issuertest"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

var clusterRef = subject.Ref{Kind: subject.Robot, Name: "k8s"}

// withCluster is a fixture with a cluster, all of whose namespaces stand for one robot.
func withCluster(t testing.TB) (*fixture, *issuertest.Issuer) {
	t.Helper()
	f := newFixture(t)
	i := issuertest.Offline(f, "https://kubernetes.default.svc")
	f.subject(store.NewSubject{Ref: clusterRef}, "namespace:{k8s.namespace}:push", "namespace:base:pull")
	_, err := f.store.CreateIssuer(t.Context(), federation.Issuer{Name: "k8s", URL: i.URL, Kind: federation.Kubernetes, JWKS: string(i.JWKS())}, federation.Keys{})
	require.NoError(t, err)
	_, _, err = f.store.CreateBinding(t.Context(), federation.Binding{
		Name: "cluster", Issuer: "k8s", Robot: clusterRef, Claims: []federation.Condition{{Name: "kubernetes.io/namespace", Value: "*"}},
		Expose: []federation.Exposure{{Name: "k8s.namespace", Claim: "kubernetes.io/namespace"}},
	})
	require.NoError(t, err)
	return f, i
}

func podToken(t testing.TB, i *issuertest.Issuer, namespace string, more ...map[string]any) string {
	t.Helper()
	return i.Sign(t, i.Claims(time.Now(), service, append([]map[string]any{issuertest.Kubernetes(namespace, "app")}, more...)...))
}

// passwordFor is the password of a session that a token begins.
func passwordFor(f *fixture, token string, more ...string) string {
	f.Helper()
	return f.exchanged(exchange(f, token, more...)).AccessToken
}

func (f *fixture) apply(text string) {
	f.Helper()
	wanted, err := state.Parse(strings.NewReader(text))
	require.NoError(f, err)
	_, err = f.store.ApplyState(f.Context(), wanted, state.Options{})
	require.NoError(f, err)
}

const ofBoth = "scope=repository:team-a/app:pull,push repository:team-b/app:pull,push repository:base/x:pull,push"

// TestNamespacesOfOneRobotHaveTheirOwn guards that two namespaces that stand for one
// robot share neither rights in memory nor tokens, by whatever way they log in.
func TestNamespacesOfOneRobotHaveTheirOwn(t *testing.T) {
	f, i := withCluster(t)
	f.sharing()
	passwords := map[string]map[string]string{}
	for _, namespace := range []string{"team-a", "team-b"} {
		passwords[namespace] = map[string]string{
			"token of the issuer": podToken(t, i, namespace),
			"exchange":            passwordFor(f, podToken(t, i, namespace)),
			"refresh token":       f.answer(f.get("k8s:"+podToken(t, i, namespace), "service="+service, "offline_token=true")).RefreshToken,
		}
	}
	for range 3 { // from the database, and from memory
		for _, way := range []string{"token of the issuer", "exchange", "refresh token"} {
			for _, namespace := range []string{"team-a", "team-b"} {
				_, opens := f.token(f.get("k8s:"+passwords[namespace][way], "service="+service, ofBoth))
				assert.ElementsMatch(t, []string{"repository:" + namespace + "/app:pull,push", "repository:base/x:pull"}, opens, "%s, %s", namespace, way)
			}
		}
	}
	_, opens := f.token(f.get("k8s:"+f.accessToken(clusterRef, "fixed").Reveal(), "service="+service, ofBoth))
	assert.Equal(t, []string{"repository:base/x:pull"}, opens, "who logs in otherwise has no namespace")

	var all sync.WaitGroup
	for n := range 40 {
		namespace := fmt.Sprintf("team-%c", 'a'+n%2)
		all.Go(func() {
			_, opens := f.token(f.get("k8s:"+passwords[namespace]["exchange"], "service="+service, ofBoth))
			assert.ElementsMatch(t, []string{"repository:" + namespace + "/app:pull,push", "repository:base/x:pull"}, opens, namespace)
		})
	}
	all.Wait()
}

// TestValuesOfATokenWidenNothing: a cluster, or whoever has its key, says what it likes.
func TestValuesOfATokenWidenNothing(t *testing.T) {
	f, i := withCluster(t)
	for _, namespace := range []any{"team-a/app", "Team-a", "{k8s.namespace}", []string{"team-a", "team-b"}, "team-a\x00", "..", "host:5000", 7} {
		token := podToken(t, i, "x", map[string]any{"kubernetes.io": map[string]any{"namespace": namespace}})
		w := f.get("_:"+token, "service="+service, ofBoth)
		if w.Code == http.StatusUnauthorized {
			continue // its condition does not hold
		}
		_, opens := f.token(w)
		assert.Equal(t, []string{"repository:base/x:pull"}, opens, "%v", namespace)
	}
	for _, namespace := range []string{"*", "**"} {
		_, opens := f.token(f.get("_:"+podToken(t, i, namespace), "service="+service, ofBoth))
		assert.Equal(t, []string{"repository:base/x:pull"}, opens, namespace)
	}
}

// TestSessionsKeepTheirValues: those of the token that they began with, as far as the
// binding exposes them still, and narrowed by the scopes of the session and of the
// binding.
func TestSessionsKeepTheirValues(t *testing.T) {
	f, i := withCluster(t)
	narrow := passwordFor(f, podToken(t, i, "team-a"), "scope=repository:{k8s.namespace}/app:pull")
	wide := passwordFor(f, podToken(t, i, "team-a"))
	opens := func(password string) []string {
		_, opened := f.token(f.get("_:"+password, "service="+service, ofBoth))
		return opened
	}
	assert.Equal(t, []string{"repository:team-a/app:pull"}, opens(narrow))
	assert.Equal(t, []string{"repository:team-a/app:pull,push", "repository:base/x:pull"}, opens(wide))

	sessions, err := f.store.Sessions(t.Context(), clusterRef, store.Page{Limit: 10})
	require.NoError(t, err)
	assert.Equal(t, "[{kubernetes.io/namespace [team-a]}]", fmt.Sprint(sessions[0].Claims))

	f.apply(`version: dockit/v1
bindings:
  - {name: cluster, issuer: k8s, robot: "robot:k8s", claims: ["kubernetes.io/namespace=*"], expose: ["k8s.namespace=kubernetes.io/namespace"], scopes: ["namespace:{k8s.namespace}:pull"]}
`)
	assert.Equal(t, []string{"repository:team-a/app:pull"}, opens(wide), "the scopes of the binding name it too")
	f.apply(`version: dockit/v1
bindings:
  - {name: cluster, issuer: k8s, robot: "robot:k8s", claims: ["kubernetes.io/namespace=*"], allow_unprotected: true}
`)
	assert.Equal(t, []string{"repository:base/x:pull"}, opens(wide), "nothing is exposed any more")
}
