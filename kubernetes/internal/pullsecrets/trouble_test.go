package pullsecrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ktesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
)

// count is what a counter counted.
func count(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	require.NoError(t, r.Register(c))
	families, err := r.Gather()
	require.NoError(t, err)
	return families[0].GetMetric()[0].GetCounter().GetValue()
}

// TestOneRegistryThatIsAwayKeepsNoLoginOfOthers guards that a login which cannot be ended keeps no other one good, and that the log says whose it is.
func TestOneRegistryThatIsAwayKeepsNoLoginOfOthers(t *testing.T) {
	f := newFixture(t, namespace("team-a", nil), account("team-a", "default", on))
	key := cache.NewObjectName("team-a", "default")
	_, err := f.filled(f.options()).reconcile(t.Context(), key)
	require.NoError(t, err)
	a := f.account("team-a", "default")
	a.Labels = nil
	_, err = f.CoreV1().ServiceAccounts("team-a").Update(t.Context(), a, metav1.UpdateOptions{})
	require.NoError(t, err)
	var log bytes.Buffer
	o := f.options()
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	o.Revoke = func(ctx context.Context, registry, password string) error {
		if registry == o.Registries[0] {
			return errors.New("status 503")
		}
		return f.revoke(ctx, registry, password)
	}
	_, err = f.filled(o).reconcile(t.Context(), key)
	require.NoError(t, err)
	assert.Equal(t, []string{"team-a/default mirror.test:5000 2"}, f.ended())
	assert.InDelta(t, 1, count(t, o.Metrics.Unrevoked), 0)
	assert.Contains(t, log.String(), "namespace=team-a service_account=default registry=registry.test")
}

// TestEventsDoNotShortenPauses guards that a service account which changes all the time costs Dockit no attempt more while attempts fail.
func TestEventsDoNotShortenPauses(t *testing.T) {
	f := newFixture(t, namespace("team-a", on), account("team-a", "default", nil), account("team-a", "app", on))
	f.setAway(errors.New("status 503"))
	now := time.Now()
	o := f.options()
	o.Now = func() time.Time { return now }
	c := f.filled(o)
	name, other := cache.NewObjectName("team-a", "default"), cache.NewObjectName("team-a", "app")
	work := func(name cache.ObjectName) float64 {
		for c.queue.Len() > 0 { // what the informers added
			got, _ := c.queue.Get()
			c.queue.Done(got)
		}
		c.queue.Add(name)
		require.True(t, c.next(t.Context()))
		return count(t, o.Metrics.Failures)
	}
	assert.InDelta(t, 1, work(name), 0)
	for range 20 {
		assert.InDelta(t, 1, work(name), 0)
	}
	assert.InDelta(t, 2, work(other), 0, "another one is not kept waiting")
	now = now.Add(shortest)
	assert.InDelta(t, 3, work(name), 0)
	now = now.Add(shortest)
	assert.InDelta(t, 3, work(name), 0, "the pause is twice as long")
}

// TestWhoUndoesItIsNotFought guards that a program which takes back what is written to a service account, as a GitOps one does, makes for no
// loop, and for no second login.
func TestWhoUndoesItIsNotFought(t *testing.T) {
	f := newFixture(t, namespace("team-a", on), account("team-a", "default", nil))
	var mu sync.Mutex
	var patched []time.Time
	f.PrependReactor("patch", "serviceaccounts", func(ktesting.Action) (bool, runtime.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		patched = append(patched, time.Now())
		return false, nil, nil
	})
	watch, err := f.CoreV1().ServiceAccounts("team-a").Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	defer watch.Stop()
	f.start()
	undone := 0
	for event := range watch.ResultChan() {
		if a := event.Object.(*v1.ServiceAccount); len(a.ImagePullSecrets) > 1 {
			if undone++; undone == 4 {
				break
			}
			_, err := f.CoreV1().ServiceAccounts("team-a").Update(t.Context(), account("team-a", "default", nil), metav1.UpdateOptions{})
			require.NoError(t, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, patched, 4)
	for n := range 3 {
		assert.GreaterOrEqual(t, patched[n+1].Sub(patched[n]), shortest<<n/4*3)
	}
	assert.Equal(t, 2, f.exchanged(), "one for each registry")
}

// TestNamespacesThatGoAreLeftAlone guards that a namespace which is removed while its login is got is no failure, and that the login ends.
func TestNamespacesThatGoAreLeftAlone(t *testing.T) {
	f := newFixture(t, namespace("team-a", on), account("team-a", "default", nil))
	f.PrependReactor("patch", "secrets", func(ktesting.Action) (bool, runtime.Object, error) {
		refusal := apierrors.NewForbidden(secretsResource.GroupResource(), "dockit-pull-default", errors.New("the namespace is being terminated"))
		refusal.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: v1.NamespaceTerminatingCause}}
		return true, nil, refusal
	})
	o := f.options()
	c := f.filled(o)
	c.queue.Add(cache.NewObjectName("team-a", "default"))
	require.True(t, c.next(t.Context()))
	assert.Zero(t, count(t, o.Metrics.Failures))
	assert.Len(t, f.revoked, 2)

	going := namespace("team-a", on)
	going.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	labelled := account("team-a", "app", on)
	labelled.Annotations[madeAnnotation] = "dockit-pull-app"
	f = newFixture(t, going, account("team-a", "default", nil), labelled)
	c = f.filled(f.options())
	f.ClearActions()
	for _, name := range []string{"default", "app"} {
		again, err := c.reconcile(t.Context(), cache.NewObjectName("team-a", name))
		require.NoError(t, err)
		assert.Zero(t, again)
	}
	assert.Empty(t, f.Actions(), "nothing is asked for")
}

// TestOneThatIsForbiddenKeepsNoOtherWaiting guards that of many namespaces one whose tokens are refused is alone with that.
func TestOneThatIsForbiddenKeepsNoOtherWaiting(t *testing.T) {
	var objects []runtime.Object
	for n := range 50 {
		name := fmt.Sprintf("team-%d", n)
		objects = append(objects, namespace(name, on), account(name, "default", nil))
	}
	f := newFixture(t, objects...)
	f.PrependReactor("create", "serviceaccounts", func(action ktesting.Action) (bool, runtime.Object, error) {
		if action.GetNamespace() != "team-7" {
			return false, nil, nil
		}
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "serviceaccounts/token"}, "default", errors.New("no RBAC policy matched"))
	})
	o := f.options()
	o.Workers = 1
	f.startWith(o)
	f.eventually(func() bool { return count(t, o.Metrics.Renewals) == 49 })
	f.eventually(func() bool { _, _, failing := o.Metrics.status(); return failing == 1 })
}

// TestNamespacesOfAList guards that nothing beyond the namespaces of a list is read, that these need no label, and that one which may not be
// read keeps no other one waiting.
func TestNamespacesOfAList(t *testing.T) {
	f := newFixture(t, account("team-a", "default", nil), account("team-a", "app", nil), account("team-a", "builder", on),
		account("team-b", "default", off), account("team-c", "default", nil), account("forbidden", "default", nil))
	f.PrependReactor("list", "serviceaccounts", func(action ktesting.Action) (bool, runtime.Object, error) {
		if action.GetNamespace() != "forbidden" {
			return false, nil, nil
		}
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "serviceaccounts"}, "", errors.New("no RBAC policy matched"))
	})
	o := f.options()
	o.Namespaces = []string{"forbidden", "team-a", "team-b"}
	f.startWith(o)
	f.eventually(func() bool {
		return len(f.account("team-a", "default").ImagePullSecrets) == 2 && len(f.account("team-a", "builder").ImagePullSecrets) == 2
	})
	for _, at := range [][2]string{{"team-a", "app"}, {"team-b", "default"}, {"team-c", "default"}, {"forbidden", "default"}} {
		assert.Nil(t, f.secret(at[0], "dockit-pull-"+at[1]), "%v", at)
	}
	for _, action := range f.Actions() {
		assert.NotEqual(t, "namespaces", action.GetResource().Resource, "%v", action)
		if action.GetVerb() != "get" { // what this test looks at
			assert.Contains(t, o.Namespaces, action.GetNamespace(), "%v", action)
		}
	}
	handler := newHandler(prometheus.NewRegistry(), o.Metrics, nil)
	ready := func() (int, string) {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", http.NoBody))
		return answer.Code, answer.Body.String()
	}
	o.Metrics.mu.Lock()
	o.Metrics.leads = true
	o.Metrics.mu.Unlock()
	f.eventually(func() bool {
		names, others := o.Metrics.notRead()
		return others && slices.Equal(names, []string{"forbidden"})
	})
	status, said := ready()
	assert.Equal(t, http.StatusOK, status, "it is ready for the others")
	assert.Contains(t, said, "is each there, with its Role? forbidden\n")
}

// TestNamespacesThatAreNotReadAreTold guards that log and metric say which they are, and that a list of which nothing is read is not ready.
func TestNamespacesThatAreNotReadAreTold(t *testing.T) {
	f := newFixture(t)
	f.PrependReactor("list", "serviceaccounts", func(ktesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "serviceaccounts"}, "", errors.New("no RBAC policy matched"))
	})
	registry, lines := prometheus.NewRegistry(), make(chan string, 10)
	o := f.options()
	o.Namespaces, o.Metrics = []string{"missing"}, NewMetrics(registry)
	o.Logger = slog.New(slog.NewTextHandler(lineWriter(lines), nil))
	c, err := New(o)
	require.NoError(t, err)
	c.unreadAfter = time.Millisecond
	o.Metrics.setLeads(true)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	line := <-lines
	assert.Contains(t, line, "is each there, with its Role?")
	assert.Contains(t, line, "namespaces=[missing]")
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == "dockit_pull_secrets_unread_namespaces" {
			assert.InDelta(t, 1, family.GetMetric()[0].GetGauge().GetValue(), 0)
		}
	}
	answer := httptest.NewRecorder()
	newHandler(registry, o.Metrics, nil).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", http.NoBody))
	assert.Equal(t, http.StatusServiceUnavailable, answer.Code)
	assert.Contains(t, answer.Body.String(), "missing")
	stop()
	require.NoError(t, <-done)
}

// lineWriter sends what is written.
type lineWriter chan string

func (w lineWriter) Write(content []byte) (int, error) {
	w <- string(content)
	return len(content), nil
}

// TestServiceAccountsOfAList guards that service accounts of other names are left alone, though they have the label.
func TestServiceAccountsOfAList(t *testing.T) {
	before := account("team-a", "before", nil)
	before.Annotations[madeAnnotation] = "dockit-pull-before"
	f := newFixture(t, namespace("team-a", on), account("team-a", "default", nil), account("team-a", "builder", on), account("team-a", "other", on), before)
	o := f.options()
	o.Accounts = []string{"default", "builder"}
	f.startWith(o)
	f.eventually(func() bool { return f.exchanged() == 4 })
	f.eventually(func() bool { return len(f.account("team-a", "default").ImagePullSecrets) == 2 })
	f.eventually(func() bool { return len(f.account("team-a", "builder").ImagePullSecrets) == 2 })
	assert.Nil(t, f.secret("team-a", "dockit-pull-other"))
	assert.Equal(t, before, f.account("team-a", "before"))
}

// TestRefused guards after which answers of the API server a login is ended.
func TestRefused(t *testing.T) {
	for err, expected := range map[error]bool{
		apierrors.NewForbidden(secretsResource.GroupResource(), "a", nil):                                    true,
		fmt.Errorf("write: %w", apierrors.NewConflict(secretsResource.GroupResource(), "a", errors.New(""))): true,
		apierrors.NewTimeoutError("", 1):                                                  false,
		apierrors.NewInternalError(errors.New("")):                                        false,
		errors.New("connection reset"):                                                    false,
		&apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusGatewayTimeout}}: false,
	} {
		assert.Equal(t, expected, refused(err), "%v", err)
	}
}
