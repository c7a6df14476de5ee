package pullsecrets

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ktesting "k8s.io/client-go/testing"
)

// replica is one of several that want the lease, with its metrics and health.
type replica struct {
	options Options
	handler http.Handler
	stop    context.CancelFunc
	ended   chan error
}

func (f *fixture) replica(name string) *replica {
	f.t.Helper()
	registry := prometheus.NewRegistry()
	r := &replica{ended: make(chan error, 1), options: Options{
		Client: f, Audience: "https://registry.test", Registries: []string{"registry.test"}, Exchange: f.exchange, Workers: 2,
		Logger: slog.New(slog.NewTextHandler(f.t.Output(), nil)), Metrics: NewMetrics(registry),
	}}
	e := newElection(r.options, "registry", name)
	r.handler = newHandler(registry, r.options.Metrics, e.watchdog)
	ctx, stop := context.WithCancel(f.t.Context())
	r.stop = stop
	go func() { r.ended <- e.lead(ctx) }()
	f.t.Cleanup(stop)
	return r
}

func (r *replica) leads() bool {
	leads, _, _ := r.options.Metrics.status()
	return leads
}

func (r *replica) get(t *testing.T, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	content, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return w.Code, string(content)
}

// TestOneReplicaWorks guards that a second one waits, that one which ends gives the lease back when it has written the
// last time, and that the other one goes on.
func TestOneReplicaWorks(t *testing.T) {
	f := newFixture(t, namespace("team-a", on), account("team-a", "default", nil))
	first := f.replica("first")
	f.eventually(func() bool { return len(f.account("team-a", "default").ImagePullSecrets) == 2 })
	second := f.replica("second")
	status, said := second.get(t, "/readyz")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, said, "another replica works")
	assert.True(t, first.leads())
	assert.False(t, second.leads())

	// The lease is given back while nothing is under way.
	var writes atomic.Int64
	var early atomic.Bool
	f.PrependReactor("patch", "*", func(ktesting.Action) (bool, runtime.Object, error) {
		writes.Add(1)
		return false, nil, nil
	})
	f.PrependReactor("update", "leases", func(ktesting.Action) (bool, runtime.Object, error) {
		if first.leads() && second.leads() {
			early.Store(true)
		}
		return false, nil, nil
	})
	first.stop()
	require.NoError(t, <-first.ended)
	assert.False(t, first.leads())
	_, err := f.CoreV1().Namespaces().Create(t.Context(), namespace("team-b", on), metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = f.CoreV1().ServiceAccounts("team-b").Create(t.Context(), account("team-b", "default", nil), metav1.CreateOptions{})
	require.NoError(t, err)
	f.eventually(func() bool { return len(f.account("team-b", "default").ImagePullSecrets) == 2 })
	assert.True(t, second.leads())
	assert.False(t, early.Load())
	assert.Equal(t, int64(2), writes.Load(), "the secret and the service account of team-b: team-a's is fresh")
	second.stop()
	require.NoError(t, <-second.ended)
}

// TestWhoWaitsForTheLeaseEndsAtOnce guards that a standby replica does not outlive its pod.
func TestWhoWaitsForTheLeaseEndsAtOnce(t *testing.T) {
	f := newFixture(t)
	first := f.replica("first")
	f.eventually(first.leads)
	second := f.replica("second")
	second.stop()
	require.NoError(t, <-second.ended)
	assert.True(t, first.leads())
}

// TestLostLeaseEndsAReplica guards that one which cannot renew writes no more, and says so.
func TestLostLeaseEndsAReplica(t *testing.T) {
	f := newFixture(t)
	r := f.replica("first")
	f.eventually(r.leads)
	began := time.Now()
	f.PrependReactor("*", "leases", func(ktesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewServiceUnavailable("etcd is away")
	})
	require.ErrorIs(t, <-r.ended, errLost)
	assert.False(t, r.leads())
	assert.Less(t, time.Since(began), leaseDuration, "before another one may have it")
}

// TestHealth guards what replicas say of themselves while Dockit is away, and that this takes none of them away.
func TestHealth(t *testing.T) {
	f := newFixture(t, namespace("team-a", on), account("team-a", "default", nil))
	f.setAway(errors.New("status 503"))
	r := f.replica("first")
	metric := func(line string) func() bool {
		return func() bool {
			status, said := r.get(t, "/metrics")
			require.Equal(t, http.StatusOK, status)
			return strings.Contains("\n"+said, "\n"+line+"\n")
		}
	}
	f.eventually(metric("dockit_pull_secrets_failing 1"))
	assert.True(t, metric("dockit_pull_secrets_leads 1")())
	status, said := r.get(t, "/readyz")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, said, "1 service accounts got no new login")
	f.setAway(nil)
	f.eventually(metric("dockit_pull_secrets_failing 0"))
	f.eventually(metric("dockit_pull_secrets_renewals_total 1"))
	status, said = r.get(t, "/readyz")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "ok\n", said)
	status, said = r.get(t, "/healthz")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "ok\n", said)
	assert.False(t, metric("dockit_pull_secrets_failures_total 0")())
}

// TestWorkServesUntilItEnds guards that metrics and health are served at an address, and that one which is taken is an error.
func TestWorkServesUntilItEnds(t *testing.T) {
	f := newFixture(t)
	registry := prometheus.NewRegistry()
	o := Options{
		Client: f, Audience: "https://registry.test", Registries: []string{"registry.test"}, Exchange: f.exchange, Workers: 1,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Metrics: NewMetrics(registry),
	}
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	c := command{listen: taken.Addr().String(), namespace: "registry"}
	require.ErrorContains(t, c.work(t.Context(), o, registry), "choose another address with --listen")
	require.NoError(t, taken.Close())

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.work(ctx, o, registry) }()
	f.eventually(func() bool {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.listen+"/readyz", nil)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	stop()
	require.NoError(t, <-ended)
}
