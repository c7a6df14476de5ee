package pullsecrets

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

const (
	// Label on a namespace, or on a service account, asks for a pull secret when it is true:
	// on a namespace for its service account default, on a service account for that.
	Label = "dockit.dev/pull-secret"
	// madeAnnotation names the secret that was made for a service account, and renewAnnotation
	// says when it is to be replaced (RFC 3339). So no secret has to be read.
	madeAnnotation  = "dockit.dev/pull-secret-name"
	renewAnnotation = "dockit.dev/pull-secret-renew-at"
	// robotAnnotation chooses a robot, as for the credential provider.
	robotAnnotation = "dockit.dev/robot"

	// defaultAccount is the service account of pods that name none.
	defaultAccount = "default"
	// resync is how often everything is looked at, whatever happened.
	resync = 10 * time.Minute
	// soonest bounds how often a login is replaced that ends at once.
	soonest = 30 * time.Second
)

// Login is what a service account pulls with.
type Login struct {
	Username, Password string
	ExpiresIn          time.Duration
}

// Options of a [Controller].
type Options struct {
	Client kubernetes.Interface
	// Audience is that of the tokens, and Registries are the hosts that the logins are for. Default: each registry gets a token of its own,
	// for https:// and its host.
	Audience   string
	Registries []string
	// Exchange gets a login for the token of a service account.
	Exchange func(ctx context.Context, registry, token, robot string) (Login, error)
	Workers  int
	Logger   *slog.Logger
	Now      func() time.Time
	Metrics  *Metrics
}

// Controller keeps pull secrets fresh.
type Controller struct {
	options    Options
	factory    informers.SharedInformerFactory
	namespaces listers.NamespaceLister
	accounts   listers.ServiceAccountLister
	synced     []cache.InformerSynced
	queue      workqueue.TypedRateLimitingInterface[cache.ObjectName]
}

// New makes a controller. It does nothing before Run.
func New(o Options) (*Controller, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	factory := informers.NewSharedInformerFactoryWithOptions(o.Client, resync, informers.WithTransform(withoutManagers))
	namespaces, accounts := factory.Core().V1().Namespaces(), factory.Core().V1().ServiceAccounts()
	c := &Controller{
		options: o, factory: factory, namespaces: namespaces.Lister(), accounts: accounts.Lister(),
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[cache.ObjectName](time.Second, 5*time.Minute)),
	}
	both := func(f func(any)) cache.ResourceEventHandlerFuncs {
		return cache.ResourceEventHandlerFuncs{AddFunc: f, UpdateFunc: func(_, now any) { f(now) }}
	}
	_, err := accounts.Informer().AddEventHandler(both(func(o any) { c.look(o.(*v1.ServiceAccount)) }))
	if err == nil {
		_, err = namespaces.Informer().AddEventHandler(both(func(o any) { c.lookIn(o.(*v1.Namespace)) }))
	}
	if err != nil {
		return nil, fmt.Errorf("watch service accounts: %w", err)
	}
	c.synced = []cache.InformerSynced{accounts.Informer().HasSynced, namespaces.Informer().HasSynced}
	return c, nil
}

// withoutManagers leaves out of an object who wrote which field: that is most of it, and nothing
// that is asked for here.
func withoutManagers(o any) (any, error) {
	if object, err := meta.Accessor(o); err == nil {
		object.SetManagedFields(nil)
	}
	return o, nil
}

// look has one service account looked at, if it has or had to do with this.
func (c *Controller) look(a *v1.ServiceAccount) {
	if c.wanted(a) || a.Annotations[madeAnnotation] != "" {
		c.queue.Add(cache.MetaObjectToName(a))
	}
}

func (c *Controller) lookIn(n *v1.Namespace) {
	all, err := c.accounts.ServiceAccounts(n.Name).List(labels.Everything())
	if err != nil {
		return // of a cache: there is none
	}
	for _, a := range all {
		c.look(a)
	}
}

// wanted reports whether a service account is to have a pull secret.
func (c *Controller) wanted(a *v1.ServiceAccount) bool {
	if a.DeletionTimestamp != nil {
		return false
	}
	if own, ok := a.Labels[Label]; ok {
		return own == "true"
	}
	n, err := c.namespaces.Get(a.Namespace)
	return err == nil && n.DeletionTimestamp == nil && a.Name == defaultAccount && n.Labels[Label] == "true"
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	defer c.queue.ShutDown()
	c.factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), c.synced...) {
		return nil // it ends before it began
	}
	c.options.Metrics.setFilled()
	c.options.Logger.Info("pull secrets are kept fresh", "registries", c.options.Registries, "audience", c.options.Audience)
	var workers sync.WaitGroup
	for range c.options.Workers {
		workers.Go(func() {
			for c.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	c.queue.ShutDown()
	workers.Wait()
	c.factory.Shutdown()
	return nil
}

func (c *Controller) next(ctx context.Context) bool {
	name, ends := c.queue.Get()
	if ends {
		return false
	}
	defer c.queue.Done(name)
	again, err := c.reconcile(ctx, name)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		c.options.Metrics.failed(name)
		c.options.Logger.Error("no pull secret", "namespace", name.Namespace, "service_account", name.Name, "error", err)
		c.queue.AddRateLimited(name)
	default:
		c.options.Metrics.succeeded(name)
		c.queue.Forget(name)
		if again > 0 {
			c.queue.AddAfter(name, again)
		}
	}
	return true
}

// reconcile makes one service account what it is to be, and says when to look again.
func (c *Controller) reconcile(ctx context.Context, name cache.ObjectName) (time.Duration, error) {
	a, err := c.accounts.ServiceAccounts(name.Namespace).Get(name.Name)
	switch {
	case apierrors.IsNotFound(err):
		return 0, nil // its secret goes with it
	case err != nil:
		return 0, err
	}
	if again, done := c.settled(a); done {
		return again, nil
	}
	// What is cached may be older than the last change that was made here.
	a, err = c.options.Client.CoreV1().ServiceAccounts(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read the service account: %w", err)
	}
	if again, done := c.settled(a); done {
		return again, nil
	}
	if !c.wanted(a) {
		return 0, c.remove(ctx, a)
	}
	life, err := c.renew(ctx, a)
	if err != nil {
		return 0, err
	}
	c.options.Metrics.Renewals.Inc()
	return life, nil
}

// settled reports whether a service account is what it is to be, and for how long.
func (c *Controller) settled(a *v1.ServiceAccount) (time.Duration, bool) {
	if !c.wanted(a) {
		return 0, a.Annotations[madeAnnotation] != secretName(a.Name) // else somebody else wrote that
	}
	now := c.options.Now()
	at, err := time.Parse(time.RFC3339, a.Annotations[renewAnnotation])
	return at.Sub(now), err == nil && now.Before(at) && c.complete(a)
}

// renewAfter is when two thirds of a life are over, or a little before: of many that began
// at once, not all are replaced at once.
func renewAfter(life time.Duration) time.Duration {
	after := life / 3 * 2
	return max(soonest, after-time.Duration(rand.Int64N(int64(after/10)+1))) //nolint:gosec // spreads load, keeps no secret
}
