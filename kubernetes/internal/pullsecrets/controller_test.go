package pullsecrets

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"
)

// fixture is a cluster that is played, and a Dockit.
type fixture struct {
	*fake.Clientset
	t *testing.T

	mu        sync.Mutex
	away      error
	exchanges map[string]int // by token
	audience  string
	robot     string
	life      time.Duration
	revoked   []string
}

func newFixture(t *testing.T, objects ...runtime.Object) *fixture {
	t.Helper()
	f := &fixture{Clientset: fake.NewClientset(objects...), t: t, exchanges: map[string]int{}, life: time.Hour}
	f.PrependReactor("create", "serviceaccounts", func(action ktesting.Action) (bool, runtime.Object, error) {
		create, ok := action.(ktesting.CreateActionImpl)
		if !ok || create.Subresource != "token" {
			return false, nil, nil
		}
		request := create.Object.(*authenticationv1.TokenRequest)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.audience = request.Spec.Audiences[0]
		return true, &authenticationv1.TokenRequest{Status: authenticationv1.TokenRequestStatus{Token: action.GetNamespace() + "/" + create.Name}}, nil
	})
	return f
}

func (f *fixture) exchange(_ context.Context, registry, token, robot string) (Login, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away != nil {
		return Login{}, f.away
	}
	f.exchanges[token]++
	f.robot = robot
	return Login{Username: cmp.Or(robot, "k8s"), Password: fmt.Sprint(token, " ", registry, " ", f.exchanges[token]), ExpiresIn: f.life}, nil
}

func (f *fixture) setAway(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = err
}

func (f *fixture) exchanged() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := 0
	for _, n := range f.exchanges {
		all += n
	}
	return all
}

func (f *fixture) revoke(_ context.Context, _, password string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revoked = append(f.revoked, password)
	return nil
}

// ended are the passwords that were revoked.
func (f *fixture) ended() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.revoked)
}

func (f *fixture) options() Options {
	return Options{
		Client: f, Audience: "https://registry.test", Registries: []string{"registry.test", "mirror.test:5000"}, Exchange: f.exchange, Revoke: f.revoke, Workers: 8,
		Logger: slog.New(slog.NewTextHandler(f.t.Output(), nil)), Metrics: NewMetrics(prometheus.NewRegistry()),
	}
}

// start runs a controller until the function is called, or the test ends.
func (f *fixture) start() (stop func()) { return f.startWith(f.options()) }

func (f *fixture) startWith(o Options) (stop func()) {
	f.t.Helper()
	c, err := New(o)
	require.NoError(f.t, err)
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(f.t, <-done)
	})
	f.t.Cleanup(stop)
	return stop
}

func (f *fixture) secret(namespace, name string) *v1.Secret {
	f.t.Helper()
	s, err := f.CoreV1().Secrets(namespace).Get(f.t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	require.NoError(f.t, err)
	return s
}

func (f *fixture) account(namespace, name string) *v1.ServiceAccount {
	f.t.Helper()
	a, err := f.CoreV1().ServiceAccounts(namespace).Get(f.t.Context(), name, metav1.GetOptions{})
	require.NoError(f.t, err)
	return a
}

func (f *fixture) eventually(ok func() bool) {
	f.t.Helper()
	require.Eventually(f.t, ok, 30*time.Second, 10*time.Millisecond)
}

func namespace(name string, labels map[string]string) *v1.Namespace {
	return &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

func account(namespace, name string, labels map[string]string) *v1.ServiceAccount {
	return &v1.ServiceAccount{
		ObjectMeta:       metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels, UID: "uid-of-it", Annotations: map[string]string{RobotAnnotation: "ci"}},
		ImagePullSecrets: []v1.LocalObjectReference{{Name: "mine"}},
	}
}

var on, off = map[string]string{Label: "true"}, map[string]string{Label: "false"}

// TestPullSecretsComeAndGoWithLabels guards what a label asks for, and that what others made stays.
func TestPullSecretsComeAndGoWithLabels(t *testing.T) {
	f := newFixture(t,
		namespace("team-a", on), account("team-a", "default", nil), account("team-a", "other", nil), account("team-a", "builder", on),
		namespace("team-b", nil), account("team-b", "default", nil), account("team-b", "builder", on), namespace("team-c", on), account("team-c", "default", off),
	)
	f.start()
	for _, at := range [][2]string{{"team-a", "default"}, {"team-a", "builder"}, {"team-b", "builder"}} {
		f.eventually(func() bool { return len(f.account(at[0], at[1]).ImagePullSecrets) == 2 })
		secret, a := f.secret(at[0], "dockit-pull-"+at[1]), f.account(at[0], at[1])
		require.NotNil(t, secret)
		assert.Equal(t, v1.SecretTypeDockerConfigJson, secret.Type)
		assert.Equal(t, "uid-of-it", string(secret.OwnerReferences[0].UID), "it goes with the service account")
		var content struct{ Auths map[string]map[string]string }
		require.NoError(t, json.Unmarshal(secret.Data[v1.DockerConfigJsonKey], &content))
		assert.Equal(t, "ci", content.Auths["registry.test"]["username"])
		assert.Equal(t, at[0]+"/"+at[1]+" mirror.test:5000 2", content.Auths["mirror.test:5000"]["password"])
		assert.ElementsMatch(t, []v1.LocalObjectReference{{Name: "mine"}, {Name: secret.Name}}, a.ImagePullSecrets)
		renew, err := time.Parse(time.RFC3339, a.Annotations[RenewAnnotation])
		require.NoError(t, err)
		assert.InDelta(t, 38, time.Until(renew).Minutes(), 3, "two thirds of its life, or a little before")
	}
	assert.Equal(t, []string{"https://registry.test", "ci"}, []string{f.audience, f.robot})
	for _, at := range [][2]string{{"team-a", "other"}, {"team-b", "default"}, {"team-c", "default"}} {
		assert.Len(t, f.account(at[0], at[1]).ImagePullSecrets, 1, "%v", at)
		assert.Nil(t, f.secret(at[0], "dockit-pull-"+at[1]), "%v", at)
	}

	_, err := f.CoreV1().Namespaces().Update(t.Context(), namespace("team-a", nil), metav1.UpdateOptions{})
	require.NoError(t, err)
	f.eventually(func() bool {
		return f.secret("team-a", "dockit-pull-default") == nil && f.account("team-a", "default").Annotations[madeAnnotation] == ""
	})
	assert.Equal(t, []v1.LocalObjectReference{{Name: "mine"}}, f.account("team-a", "default").ImagePullSecrets)
	assert.NotNil(t, f.secret("team-a", "dockit-pull-builder"), "it has a label of its own")
	assert.ElementsMatch(t, []string{"team-a/default registry.test 1", "team-a/default mirror.test:5000 2"}, f.ended(), "nobody logs in any more with what was removed")
	_, err = f.CoreV1().Namespaces().Update(t.Context(), namespace("team-b", on), metav1.UpdateOptions{})
	require.NoError(t, err)
	f.eventually(func() bool { return f.secret("team-b", "dockit-pull-default") != nil })
}

// TestAnotherLeaderRenewsNothingTooEarly guards that a restart exchanges nothing that is fresh, and makes again what
// somebody took away.
func TestAnotherLeaderRenewsNothingTooEarly(t *testing.T) {
	f := newFixture(t, namespace("team-a", on), account("team-a", "default", nil))
	stop := f.start()
	f.eventually(func() bool { return len(f.account("team-a", "default").ImagePullSecrets) == 2 })
	stop()
	made := f.exchanged()
	stop = f.start()
	_, err := f.CoreV1().Namespaces().Create(t.Context(), namespace("team-b", on), metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = f.CoreV1().ServiceAccounts("team-b").Create(t.Context(), account("team-b", "default", nil), metav1.CreateOptions{})
	require.NoError(t, err)
	f.eventually(func() bool { return f.secret("team-b", "dockit-pull-default") != nil })
	stop()
	assert.Equal(t, 2*made, f.exchanged(), "what was fresh stays")

	a := f.account("team-a", "default")
	a.Annotations[RenewAnnotation] = RenewNow
	_, err = f.CoreV1().ServiceAccounts("team-a").Update(t.Context(), a, metav1.UpdateOptions{})
	require.NoError(t, err)
	f.start()
	f.eventually(func() bool { return f.exchanged() == 3*made })
}

// TestDockitAwayIsTriedAgain guards that nothing is taken away while there is nothing new.
func TestDockitAwayIsTriedAgain(t *testing.T) {
	f := newFixture(t, namespace("team-a", on), account("team-a", "default", nil))
	f.setAway(errors.New("status 503"))
	f.start()
	_, err := f.CoreV1().Namespaces().Create(t.Context(), namespace("team-b", on), metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Nil(t, f.secret("team-a", "dockit-pull-default"))
	f.setAway(nil)
	f.eventually(func() bool { return f.secret("team-a", "dockit-pull-default") != nil })
}

// TestPullSecretsOfOthersStay guards what somebody writes into a service account between its being read and patched.
func TestPullSecretsOfOthersStay(t *testing.T) {
	f := newFixture(t, namespace("team-a", on), account("team-a", "default", nil))
	var tries atomic.Int32
	f.PrependReactor("patch", "serviceaccounts", func(action ktesting.Action) (bool, runtime.Object, error) {
		if tries.Add(1) > 1 {
			return false, nil, nil
		}
		a := account("team-a", "default", nil)
		a.ImagePullSecrets = append(a.ImagePullSecrets, v1.LocalObjectReference{Name: "theirs"})
		err := f.Tracker().Update(action.GetResource(), a, "team-a")
		return true, nil, errors.Join(err, apierrors.NewConflict(action.GetResource().GroupResource(), "default", errors.New("the object has been modified")))
	})
	f.start()
	f.eventually(func() bool { return f.account("team-a", "default").Annotations[madeAnnotation] != "" })
	assert.Equal(t, []v1.LocalObjectReference{{Name: "mine"}, {Name: "theirs"}, {Name: "dockit-pull-default"}}, f.account("team-a", "default").ImagePullSecrets)
	assert.Equal(t, 2, f.exchanged(), "a conflict takes no other login")
}

// TestManyNamespaces guards that ten thousand are no more than ten thousand times one, in requests as in memory, and that a
// controller which finds all of them fresh asks for nothing.
func TestManyNamespaces(t *testing.T) {
	const count = 10_000
	var objects []runtime.Object
	for n := range count {
		name := fmt.Sprintf("team-%d", n)
		objects = append(objects, namespace(name, on), account(name, "default", nil))
	}
	f := newFixture(t, objects...)
	// What is played keeps every request: they are counted instead.
	var requests sync.Map
	f.ReactionChain = slices.Insert(f.ReactionChain, 0, ktesting.Reactor(&ktesting.SimpleReactor{Verb: "*", Resource: "*", Reaction: func(a ktesting.Action) (bool, runtime.Object, error) {
		counted, _ := requests.LoadOrStore(a.GetVerb()+" "+a.GetResource().Resource+"/"+a.GetSubresource(), new(atomic.Int64))
		counted.(*atomic.Int64).Add(1)
		return false, nil, nil
	}}))
	counted := func() map[string]int64 {
		all := map[string]int64{}
		requests.Range(func(key, value any) bool {
			all[key.(string)] = value.(*atomic.Int64).Load()
			return true
		})
		return all
	}
	before := heap()
	began := time.Now()
	stop := f.start()
	require.Eventually(t, func() bool { return f.exchanged() >= 2*count }, 5*time.Minute, 50*time.Millisecond)
	require.Eventually(t, func() bool { return counted()["patch serviceaccounts/"] >= count }, time.Minute, 50*time.Millisecond)
	took := time.Since(began)
	assert.Equal(t, 2*count, f.exchanged(), "each asks once for each registry")
	made := counted()
	f.ClearActions()
	t.Logf("%d namespaces in %s: %v, %d MiB of heap more, with the API server that is played", count, took, made, (heap()-before)>>20)
	assert.Equal(t, map[string]int64{
		"list namespaces/": 1, "list serviceaccounts/": 1,
		"get serviceaccounts/": count, "get secrets/": count, "create serviceaccounts/token": count, "patch secrets/": count, "patch serviceaccounts/": count,
	}, made)
	stop()

	f.start()
	f.eventually(func() bool { return counted()["list serviceaccounts/"] == 2 })
	_, err := f.CoreV1().Namespaces().Create(t.Context(), namespace("last", on), metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = f.CoreV1().ServiceAccounts("last").Create(t.Context(), account("last", "default", nil), metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return f.secret("last", "dockit-pull-default") != nil }, time.Minute, 10*time.Millisecond)
	assert.Equal(t, 2*count+2, f.exchanged(), "what is fresh stays")
}

// heap is what is in use of it, in bytes.
func heap() int64 {
	var m goruntime.MemStats
	goruntime.GC()
	goruntime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestRenewAfter(t *testing.T) {
	for life, most := range map[time.Duration]time.Duration{
		time.Hour: 40 * time.Minute, 6 * time.Hour: 4 * time.Hour, time.Minute: 40 * time.Second, time.Second: soonest, 0: soonest,
	} {
		for range 100 {
			after := renewAfter(life)
			assert.LessOrEqual(t, after, most)
			assert.GreaterOrEqual(t, after, max(soonest, most/10*9-time.Second))
		}
	}
}

// TestEachRegistryGetsATokenOfItsOwn guards that who runs one of two registries cannot log in at the other with what it got.
func TestEachRegistryGetsATokenOfItsOwn(t *testing.T) {
	a := &v1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "app", Namespace: "team-a", UID: "u"}}
	f := newFixture(t, a)
	got := map[string]string{}
	c, err := New(Options{
		Client: f, Registries: []string{"registry.test", "mirror.test:5000"}, Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry()),
		Exchange: func(ctx context.Context, registry, token, robot string) (Login, error) {
			got[registry] = f.audience
			return f.exchange(ctx, registry, token, robot)
		},
	})
	require.NoError(t, err)
	_, _, err = c.renew(t.Context(), a, nil)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"registry.test": "https://registry.test", "mirror.test:5000": "https://mirror.test:5000"}, got)
}

func TestParseServer(t *testing.T) {
	for server, ok := range map[string]bool{
		"https://dockit.example.com": true, "http://dockit:4315": true, "http://dockit.registry.svc:4315": true, "http://127.0.0.1:4315": true, "http://[::1]:4315": true,
		"http://dockit.example.com": false, "http://[2001:db8::1]:4315": false, "http://192.0.2.7": false, "ftp://dockit": false, "dockit": false, "https://a@dockit": false,
	} {
		_, err := ParseServer(server)
		assert.Equal(t, ok, err == nil, "%s: %v", server, err)
	}
}
