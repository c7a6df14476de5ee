//go:build kubeapiserver

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/kubeapi"
	"github.com/dockit-registry/dockit/e2e/internal/line"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/process"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

const (
	pullSecretsLabel   = "dockit.dev/pull-secret"
	pullSecretsAccount = "dockit-pull-secrets"
	pullSecretsLease   = "/apis/coordination.k8s.io/v1/namespaces/" + chartNamespace + "/leases/dockit-pull-secrets"
)

// pullSecrets is a real API server with the objects of the chart, a Dockit that trusts it, and replicas of the controller.
type pullSecrets struct {
	*kubeapi.Server
	stack  *stack
	binary string
	// issuer is the line on which Dockit reads the keys of the cluster.
	issuer *line.Line
}

// replica is a process of the controller, which logs in as the service account of the chart.
type replica struct {
	*process.Process
	url string
}

func startPullSecrets(t *testing.T) *pullSecrets {
	t.Helper()
	return startPullSecretsWith(t, "", 7)
}

// startPullSecretsWith has further values of the chart, that make so many objects beside the controller, in namespaces.
func startPullSecretsWith(t *testing.T, values string, count int, namespaces ...string) *pullSecrets {
	t.Helper()
	p := &pullSecrets{Server: kubeapi.Start(t, kubeapi.Options{}), stack: startStack(t, registry.V3)}
	var err error
	p.binary, err = build.DockitKubernetes(t.Context(), t.TempDir())
	require.NoError(t, err)

	// Exactly what the chart makes, and nobody is an admin.
	for _, name := range append(namespaces, chartNamespace) {
		p.Apply(t, "/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": name}})
	}
	objects := renderedChart(t, "{pullSecrets: {enabled: true, registries: ["+service+"], "+values+"}}")
	applied := 0
	for name, manifest := range objects {
		kind, of, _ := strings.Cut(name, " ")
		if strings.HasSuffix(of, pullSecretsAccount) && kind != "Deployment" {
			require.NoError(t, p.ApplyManifest(t, manifest, chartNamespace, false))
			applied++
		}
	}
	require.Equal(t, count, applied, "a service account, its roles, a policy, and their bindings")

	p.issuer, err = line.Start(t.Context(), strings.TrimPrefix(p.URL, "https://"), 1<<20)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.issuer.Close() })
	_, at, _ := strings.Cut(p.issuer.Host, ":") // its certificate is for 127.0.0.1
	// What stands between is not the issuer, and gets no token of Dockit's: this cluster shows its keys to everybody.
	p.Apply(t, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", map[string]any{
		"metadata": map[string]any{"name": "keys"},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:service-account-issuer-discovery"},
		"subjects": []map[string]any{{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:unauthenticated"}},
	})
	p.stack.rbac(t, "issuer", "add", "cluster", "--url", p.URL, "--kind", "kubernetes", "--ca-file", p.CA, "--jwks", "https://127.0.0.1:"+at+"/openid/v1/jwks")
	p.stack.rbac(t, "add", "robot:k8s")
	p.stack.rbac(t, "grant", "robot:k8s", "namespace:{k8s.namespace}:pull")
	p.stack.rbac(t, "binding", "add", "cluster", "--issuer", "cluster", "--robot", "robot:k8s", "--session", "6h",
		"--claim", "kubernetes.io/namespace=*", "--expose", "k8s.namespace=kubernetes.io/namespace")
	return p
}

// start runs a replica.
func (p *pullSecrets) start(t *testing.T, args ...string) *replica {
	t.Helper()
	at, err := port.Free(t.Context())
	require.NoError(t, err)
	listen := "127.0.0.1:" + strconv.Itoa(at)
	started, err := process.Start(process.Command{
		Name: "pull-secrets at " + listen, Path: p.binary, Dir: t.TempDir(),
		Env: append(dockit.Environment(t.TempDir()), "KUBECONFIG="+p.Kubeconfig(t, p.Token(t, chartNamespace, "dockit-pull-secrets", p.URL))),
		Args: append([]string{
			"pull-secrets", "--registry=" + p.stack.registry.Host, "--service=" + service, "--audience=" + service, "--server=" + p.stack.dockit.URL,
			"--listen=" + listen, "--namespace=" + chartNamespace,
		}, args...),
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		started.Kill()
		if t.Failed() {
			said := started.Output()
			t.Logf("%s printed:\n%s", started, said[max(0, len(said)-4000):])
		}
	})
	r := &replica{Process: started, url: "http://" + listen}
	require.NoError(t, started.WaitReady(t.Context(), http.DefaultClient, r.url+"/healthz", http.StatusOK))
	return r
}

// metric is the value of one, or -1 when the replica does not answer.
func (r *replica) metric(t *testing.T, name string) float64 {
	t.Helper()
	status, content := try(t, r.url+"/metrics")
	found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(content)
	if status != http.StatusOK || found == nil {
		return -1
	}
	value, err := strconv.ParseFloat(found[1], 64)
	require.NoError(t, err)
	return value
}

func try(t *testing.T, url string) (status int, content string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	var text strings.Builder
	_, err = io.Copy(&text, response.Body)
	require.NoError(t, err)
	return response.StatusCode, text.String()
}

func (r *replica) leads(t *testing.T) bool { return r.metric(t, "dockit_pull_secrets_leads") == 1 }

// add makes namespaces with the label, and their service accounts, which a controller manager would make.
func (p *pullSecrets) add(t *testing.T, labels map[string]any, names ...string) {
	t.Helper()
	for _, name := range names {
		p.Apply(t, "/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": name, "labels": labels}})
		p.Apply(t, "/api/v1/namespaces/"+name+"/serviceaccounts", map[string]any{
			"metadata": map[string]any{"name": "default"}, "imagePullSecrets": []map[string]any{{"name": "mine"}},
		})
	}
}

// account is what a service account has.
type serviceAccount struct {
	Metadata struct {
		Namespace   string
		Annotations map[string]string
	}
	ImagePullSecrets []struct{ Name string }
}

func (a serviceAccount) secrets() []string {
	var names []string
	for _, s := range a.ImagePullSecrets {
		names = append(names, s.Name)
	}
	return names
}

func (p *pullSecrets) account(t *testing.T, namespace string) serviceAccount {
	t.Helper()
	var a serviceAccount
	require.NoError(t, json.Unmarshal(p.Ask(t, http.MethodGet, "/api/v1/namespaces/"+namespace+"/serviceaccounts/default", nil), &a))
	return a
}

// passwords are those of all secrets that the controller made, by namespace.
func (p *pullSecrets) passwords(t *testing.T) map[string]string {
	t.Helper()
	var list struct {
		Items []struct {
			Metadata struct{ Name, Namespace string }
			Type     string
			Data     map[string][]byte
		}
	}
	require.NoError(t, json.Unmarshal(p.Ask(t, http.MethodGet, "/api/v1/secrets?labelSelector=app.kubernetes.io/managed-by%3Ddockit-kubernetes", nil), &list))
	all := map[string]string{}
	for _, item := range list.Items {
		var config struct {
			Auths map[string]struct{ Username, Password string }
		}
		require.Equal(t, "kubernetes.io/dockerconfigjson", item.Type)
		require.NoError(t, json.Unmarshal(item.Data[".dockerconfigjson"], &config))
		require.Equal(t, "dockit-pull-default", item.Metadata.Name)
		all[item.Metadata.Namespace] = config.Auths[p.stack.registry.Host].Password
	}
	return all
}

// pulls guards that the secret of a namespace pulls what is below its name, and nothing else.
func (p *pullSecrets) pulls(t *testing.T, namespace, other string) {
	t.Helper()
	as := client{host: p.stack.registry.Host, username: "k8s", password: p.passwords(t)[namespace]}
	_, err := as.pull(t, namespace+"/app")
	require.NoError(t, err)
	_, err = as.pull(t, other+"/app")
	require.Error(t, err)
}

// TestPullSecrets has the controller as the chart has it, at a real API server: each of many namespaces gets its secret and no
// other, though the replica that works is killed in the middle, and the keys of the cluster or Dockit are away.
func TestPullSecrets(t *testing.T) {
	const many = 1000
	p := startPullSecrets(t)
	on := map[string]any{pullSecretsLabel: "true"}
	pusher := p.stack.addUser(t, "pusher")
	p.stack.grant(t, pusher.ref(), "repository:**:push")
	for _, name := range []string{"team-0", "team-1"} {
		requirePushed(t, pusher, name+"/app")
	}

	// Its role is no wider than it has to be.
	token := p.Token(t, chartNamespace, "dockit-pull-secrets", p.URL)
	for path, expected := range map[string]int{
		"/api/v1/namespaces": http.StatusOK, "/api/v1/secrets": http.StatusForbidden, "/api/v1/namespaces/" + chartNamespace + "/secrets/a": http.StatusForbidden,
		"/api/v1/pods": http.StatusForbidden, "/api/v1/nodes": http.StatusForbidden, "/api/v1/configmaps": http.StatusForbidden,
		"/apis/coordination.k8s.io/v1/namespaces/default/leases/dockit-pull-secrets": http.StatusForbidden,
		// Of secrets and tokens, those of the service accounts that values name, alone.
		"/api/v1/namespaces/" + chartNamespace + "/secrets/dockit-pull-default": http.StatusNotFound,
		"/api/v1/namespaces/" + chartNamespace + "/secrets/dockit-pull-other":   http.StatusForbidden,
	} {
		status, answer := p.Try(t, token, http.MethodGet, path, nil)
		assert.Equal(t, expected, status, "%s: %s", path, answer)
	}
	status, answer := p.Try(t, token, http.MethodPost, "/api/v1/namespaces/"+chartNamespace+"/serviceaccounts/"+pullSecretsAccount+"/token", map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": map[string]any{},
	})
	assert.Equal(t, http.StatusForbidden, status, "%s", answer)
	status, answer = p.Try(t, token, http.MethodPost, "/api/v1/namespaces/default/secrets", map[string]any{"metadata": map[string]any{"name": "dockit-pull-default"}})
	assert.Equal(t, http.StatusForbidden, status, "%s", answer)

	// What its role allows and would be a token, a policy refuses.
	stolen := []byte(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"dockit-pull-default","annotations":{"kubernetes.io/service-account.name":"` + pullSecretsAccount +
		`"}},"type":"kubernetes.io/service-account-token"}`)
	require.Eventually(t, func() bool {
		status, answer = p.TryApply(t, token, "/api/v1/namespaces/"+chartNamespace+"/secrets/dockit-pull-default", stolen)
		return status == http.StatusUnprocessableEntity || status == http.StatusForbidden
	}, time.Minute, time.Second)
	assert.Contains(t, string(answer), "writes those alone")

	began := time.Now()
	var names []string
	for n := range many {
		names = append(names, fmt.Sprintf("team-%d", n))
	}
	p.add(t, on, names...)
	t.Logf("%d namespaces were made in %s", many, time.Since(began))

	// One works, and is killed while it does.
	began = time.Now()
	first := p.start(t)
	waitLong(t, time.Minute, func() bool { return first.leads(t) })
	second := p.start(t)
	waitLong(t, 2*time.Minute, func() bool { return first.metric(t, "dockit_pull_secrets_renewals_total") >= many/5 })
	assert.False(t, second.leads(t))
	assert.Zero(t, second.metric(t, "dockit_pull_secrets_renewals_total"), "who waits writes nothing")
	first.Kill()
	killed, left := time.Now(), len(p.passwords(t))
	require.Less(t, left, many, "it was killed too late to show anything")
	waitLong(t, time.Minute, func() bool { return second.leads(t) })
	over := time.Since(killed)
	waitLong(t, 5*time.Minute, func() bool { return len(p.passwords(t)) == many })
	waitLong(t, time.Minute, func() bool {
		for _, name := range names {
			if len(p.account(t, name).secrets()) != 2 {
				return false
			}
		}
		return true
	})
	took, exchanges := time.Since(began), len(p.stack.rbacNames(t, "token", "list", "robot:k8s"))
	t.Logf("%d namespaces in %s, %d of them by the one that was killed; the other took over after %s; %d exchanges", many, took, left, over, exchanges)
	t.Logf("memory of the replica that works: %.0f MiB; requests: %.0f renewals", second.metric(t, "process_resident_memory_bytes")/(1<<20),
		second.metric(t, "dockit_pull_secrets_renewals_total"))
	assert.LessOrEqual(t, exchanges, many+16, "nothing is done twice, but for what the dead one had under way in its 8 workers")
	made := p.passwords(t)
	distinct := map[string]bool{}
	for _, password := range made {
		assert.True(t, strings.HasPrefix(password, "dockit_"))
		distinct[password] = true
	}
	assert.Len(t, distinct, many)
	assert.Equal(t, []string{"mine", "dockit-pull-default"}, p.account(t, "team-0").secrets())
	p.pulls(t, "team-0", "team-1")

	third := p.start(t)
	t.Run("one that is told to end gives the lease back", func(t *testing.T) {
		require.NoError(t, second.Stop())
		began := time.Now()
		waitLong(t, time.Minute, func() bool { return third.leads(t) })
		t.Logf("another one leads after %s", time.Since(began))
		assert.Less(t, time.Since(began), 10*time.Second, "it need not wait until the lease ends")
		began = time.Now()
		p.add(t, on, "quick")
		waitLong(t, time.Minute, func() bool { return p.passwords(t)["quick"] != "" })
		t.Logf("a new namespace has its secret after %s", time.Since(began))
		assert.Equal(t, made["team-7"], p.passwords(t)["team-7"], "what is fresh stays")
		second = third
	})

	t.Run("the keys of the cluster are away", func(t *testing.T) {
		require.NoError(t, p.issuer.Close())
		p.add(t, on, "without-issuer")
		waitLong(t, time.Minute, func() bool { return p.passwords(t)["without-issuer"] != "" })
	})

	whole := t
	t.Run("Dockit is away", func(t *testing.T) {
		before, failures := p.passwords(t), second.metric(t, "dockit_pull_secrets_failures_total")
		config := p.stack.dockit.Config()
		require.NoError(t, p.stack.dockit.Stop())
		p.add(t, on, "without-dockit")
		p.Change(t, "/api/v1/namespaces/team-5/serviceaccounts/default", map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{"dockit.dev/pull-secret-renew-at": "now"}},
		})
		waitLong(t, time.Minute, func() bool { return second.metric(t, "dockit_pull_secrets_failing") == 2 })
		waitLong(t, time.Minute, func() bool { return second.metric(t, "dockit_pull_secrets_failures_total") >= failures+4 })
		status, said := try(t, second.url+"/readyz")
		assert.Equal(t, http.StatusOK, status)
		assert.Contains(t, said, "2 service accounts got no new login")
		assert.Equal(t, before, p.passwords(t), "the old ones stay")
		assert.Equal(t, []string{"mine", "dockit-pull-default"}, p.account(t, "team-5").secrets())
		started, err := dockit.Start(t.Context(), config)
		require.NoError(t, err)
		stopAtEnd(whole, started.Process) // what follows needs it, too
		waitLong(t, 2*time.Minute, func() bool { return second.metric(t, "dockit_pull_secrets_failing") == 0 })
		after := p.passwords(t)
		assert.NotEmpty(t, after["without-dockit"])
		assert.NotEqual(t, before["team-5"], after["team-5"])
		assert.Equal(t, before["team-6"], after["team-6"])
	})

	t.Run("a secret of somebody else's stays", func(t *testing.T) {
		p.Apply(t, "/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": "foreign", "labels": on}})
		p.Apply(t, "/api/v1/namespaces/foreign/secrets", map[string]any{
			"metadata": map[string]any{"name": "dockit-pull-default"}, "type": "kubernetes.io/dockerconfigjson", "stringData": map[string]any{".dockerconfigjson": `{"auths":{}}`},
		})
		p.add(t, on, "foreign")
		waitLong(t, time.Minute, func() bool { return second.metric(t, "dockit_pull_secrets_failing") == 1 })
		p.Change(t, "/api/v1/namespaces/foreign/serviceaccounts/default", map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{"dockit.dev/pull-secret-name": "dockit-pull-default"}},
		})
		p.Change(t, "/api/v1/namespaces/foreign", map[string]any{"metadata": map[string]any{"labels": map[string]any{pullSecretsLabel: nil}}})
		waitLong(t, 2*time.Minute, func() bool { return len(p.account(t, "foreign").Metadata.Annotations) == 0 })
		assert.Contains(t, string(p.Ask(t, http.MethodGet, "/api/v1/namespaces/foreign/secrets/dockit-pull-default", nil)), "eyJhdXRocyI6e319")
		waitLong(t, time.Minute, func() bool { return second.metric(t, "dockit_pull_secrets_failing") == 0 })
	})

	t.Run("the label goes", func(t *testing.T) {
		ended := client{host: p.stack.registry.Host, username: "k8s", password: p.passwords(t)["team-1"]}
		_, err := ended.pull(t, "team-1/app")
		require.NoError(t, err)
		p.Change(t, "/api/v1/namespaces/team-1", map[string]any{"metadata": map[string]any{"labels": map[string]any{pullSecretsLabel: nil}}})
		waitLong(t, time.Minute, func() bool { return p.passwords(t)["team-1"] == "" && len(p.account(t, "team-1").secrets()) == 1 })
		a := p.account(t, "team-1")
		assert.Equal(t, []string{"mine"}, a.secrets(), "what is not ours stays")
		_, err = ended.pull(t, "team-1/app")
		requireLoginRefused(t, err)
		assert.Empty(t, a.Metadata.Annotations)
		assert.NotEmpty(t, p.passwords(t)["team-2"])
	})

	// Nobody but the lease says who works.
	var lease struct {
		Spec struct{ LeaseTransitions int }
	}
	require.NoError(t, json.Unmarshal(p.Ask(t, http.MethodGet, pullSecretsLease, nil), &lease))
	assert.Equal(t, 2, lease.Spec.LeaseTransitions)
}

func waitLong(t *testing.T, atMost time.Duration, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, atMost, 200*time.Millisecond)
}

// TestPullSecretsOfNamespaces has the controller with the roles of two namespaces and none of the cluster: it works there, without a label, and
// nowhere else.
func TestPullSecretsOfNamespaces(t *testing.T) {
	p := startPullSecretsWith(t, "namespaces: [team-0, team-1]", 9, "team-0", "team-1")
	token := p.Token(t, chartNamespace, pullSecretsAccount, p.URL)
	for path, expected := range map[string]int{
		"/api/v1/namespaces": http.StatusForbidden, "/api/v1/serviceaccounts": http.StatusForbidden, "/api/v1/namespaces/team-2/serviceaccounts": http.StatusForbidden,
		"/api/v1/namespaces/team-0/serviceaccounts": http.StatusOK, "/api/v1/namespaces/team-0/secrets/dockit-pull-default": http.StatusNotFound,
		"/api/v1/namespaces/team-0/secrets": http.StatusForbidden, "/api/v1/namespaces/team-2/secrets/dockit-pull-default": http.StatusForbidden,
	} {
		status, answer := p.Try(t, token, http.MethodGet, path, nil)
		assert.Equal(t, expected, status, "%s: %s", path, answer)
	}
	p.add(t, map[string]any{pullSecretsLabel: "true"}, "team-2")
	p.add(t, nil, "team-0", "team-1")
	r := p.start(t, "--watch-namespace=team-0", "--watch-namespace=team-1", "--watch-namespace=team-9", "--service-account=default")
	waitLong(t, time.Minute, func() bool { return len(p.passwords(t)) == 2 })
	assert.NotContains(t, p.passwords(t), "team-2")
	status, said := try(t, r.url+"/readyz")
	assert.Equal(t, http.StatusOK, status, "it is ready for the others: %s", said)
	assert.Contains(t, said, "is each there, with its Role? team-9", "it has no role, and that is said")
	assert.InDelta(t, 1, r.metric(t, "dockit_pull_secrets_unread_namespaces"), 0)
	waitLong(t, time.Minute, func() bool { return strings.Contains(r.Output(), `"namespaces":["team-9"]`) })
	waitLong(t, time.Minute, func() bool { return len(p.account(t, "team-1").secrets()) == 2 })
}
