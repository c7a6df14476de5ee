package pullsecrets

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
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
	// madeAnnotation names the secret that was made for a service account, and forAnnotation says
	// what it is for (see [Controller.purpose]). So no secret has to be watched.
	madeAnnotation = "dockit.dev/pull-secret-name"
	forAnnotation  = "dockit.dev/pull-secret-for"
	// RenewAnnotation says when the login in it is to be replaced (RFC 3339).
	RenewAnnotation = "dockit.dev/pull-secret-renew-at"
	// RenewNow is what to write as RenewAnnotation for a new login.
	RenewNow = "now"
	// RobotAnnotation chooses a robot, as for the credential provider.
	RobotAnnotation = "dockit.dev/robot"

	// defaultAccount is the service account of pods that name none.
	defaultAccount = "default"
	// resync is how often everything is looked at, whatever happened.
	resync = 10 * time.Minute
	// soonest bounds how often a login is replaced that ends at once.
	soonest = 30 * time.Second
	// latest is the latest time from now at which a login can be due: no session is longer than a day.
	latest = 24 * time.Hour
)

// Options of a [Controller].
type Options struct {
	Client kubernetes.Interface
	// Audience is that of the tokens, and Registries are the hosts that the logins are for. Default: each registry gets a token of its own,
	// for https:// and its host.
	Audience   string
	Registries []string
	// Server is the URL of the Dockit that gives the logins, and Service what the registries are called there: logins of another one are
	// replaced. Default: it is behind each registry, by the name of that.
	Server, Service string
	// Namespaces are those that are worked on, as if they had the label; nothing of others is read. Default: those of the cluster.
	Namespaces []string
	// Accounts are the names of service accounts that are worked on. Default: any.
	Accounts []string
	// Exchange gets a login for the token of a service account.
	Exchange func(ctx context.Context, registry, token, robot string) (Login, error)
	// Revoke ends a login that came to nothing, or that nobody is to have any more. Default: it ends by itself.
	Revoke  func(ctx context.Context, registry, password string) error
	Workers int
	Logger  *slog.Logger
	Now     func() time.Time
	Metrics *Metrics
}

// Controller keeps pull secrets fresh.
type Controller struct {
	options   Options
	factories []informers.SharedInformerFactory
	// namespaces is nil when a list says which are worked on.
	namespaces listers.NamespaceLister
	// accounts are by namespace, or all of them by "".
	accounts map[string]listers.ServiceAccountLister
	synced   []cache.InformerSynced
	queue    workqueue.TypedDelayingInterface[cache.ObjectName]
	pace     *pace
	presence *presence
	// unreadAfter is how long namespaces of a list may take to be read.
	unreadAfter time.Duration
}

// New makes a controller. It does nothing before Run.
func New(o Options) (*Controller, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Controller{
		options: o, accounts: map[string]listers.ServiceAccountLister{}, pace: newPace(o.Now), presence: newPresence(o.Now),
		queue: workqueue.NewTypedDelayingQueue[cache.ObjectName](), unreadAfter: patience,
	}
	both := func(f func(any)) cache.ResourceEventHandlerFuncs {
		return cache.ResourceEventHandlerFuncs{AddFunc: f, UpdateFunc: func(_, now any) { f(now) }}
	}
	watch := func(informer cache.SharedIndexInformer, f func(any)) error {
		c.synced = append(c.synced, informer.HasSynced)
		if _, err := informer.AddEventHandler(both(f)); err != nil {
			return fmt.Errorf("watch service accounts and namespaces: %w", err)
		}
		return nil
	}
	scopes := o.Namespaces
	if len(scopes) == 0 {
		scopes = []string{metav1.NamespaceAll}
	}
	for _, scope := range scopes {
		factory := informers.NewSharedInformerFactoryWithOptions(o.Client, resync, informers.WithTransform(withoutManagers), informers.WithNamespace(scope))
		c.factories = append(c.factories, factory)
		accounts := factory.Core().V1().ServiceAccounts()
		c.accounts[scope] = accounts.Lister()
		if err := watch(accounts.Informer(), func(o any) { c.look(o.(*v1.ServiceAccount)) }); err != nil {
			return nil, err
		}
	}
	if len(o.Namespaces) == 0 {
		namespaces := c.factories[0].Core().V1().Namespaces()
		c.namespaces = namespaces.Lister()
		if err := watch(namespaces.Informer(), func(o any) { c.lookIn(o.(*v1.Namespace)) }); err != nil {
			return nil, err
		}
	}
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

// accountsIn are the service accounts of a namespace, as they are cached.
func (c *Controller) accountsIn(namespace string) listers.ServiceAccountNamespaceLister {
	of, ok := c.accounts[namespace]
	if !ok {
		of = c.accounts[metav1.NamespaceAll]
	}
	return of.ServiceAccounts(namespace)
}

// look has one service account looked at, if it has or had to do with this.
func (c *Controller) look(a *v1.ServiceAccount) {
	switch {
	case !c.mine(a.Name):
		if a.Labels[Label] == "true" {
			c.options.Logger.Warn("no pull secret: no --service-account names this one", "namespace", a.Namespace, "service_account", a.Name)
		}
	case c.wanted(a), a.Annotations[madeAnnotation] != "":
		c.queue.Add(cache.MetaObjectToName(a))
	}
}

func (c *Controller) lookIn(n *v1.Namespace) {
	all, err := c.accountsIn(n.Name).List(labels.Everything())
	if err != nil {
		return // of a cache: there is none
	}
	for _, a := range all {
		c.look(a)
	}
}

// mine reports whether service accounts of a name are worked on at all.
func (c *Controller) mine(account string) bool {
	return len(c.options.Accounts) == 0 || slices.Contains(c.options.Accounts, account)
}

// ends reports whether a service account goes, or the namespace that it is in, and its secret with it.
func (c *Controller) ends(a *v1.ServiceAccount) bool {
	if a.DeletionTimestamp != nil {
		return true
	}
	if c.namespaces == nil {
		return false
	}
	n, err := c.namespaces.Get(a.Namespace)
	return err != nil || n.DeletionTimestamp != nil
}

// wanted reports whether a service account is to have a pull secret.
func (c *Controller) wanted(a *v1.ServiceAccount) bool {
	if c.ends(a) {
		return false
	}
	if own, ok := a.Labels[Label]; ok {
		return own == "true"
	}
	if a.Name != defaultAccount {
		return false
	}
	if c.namespaces == nil {
		return true
	}
	n, err := c.namespaces.Get(a.Namespace)
	return err == nil && n.Labels[Label] == "true"
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	defer c.queue.ShutDown()
	for _, factory := range c.factories {
		factory.Start(ctx.Done())
	}
	var workers sync.WaitGroup
	if c.namespaces == nil {
		// One namespace of the list that is not there, or whose role is missing, keeps no other one waiting.
		c.options.Metrics.setUnread(c.unread, len(c.options.Namespaces))
		workers.Go(func() { c.fill(ctx) })
		workers.Go(func() { c.tellUnread(ctx) })
	} else if !c.fill(ctx) {
		return nil // it ends before it began
	}
	for range c.options.Workers {
		workers.Go(func() {
			for c.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	c.queue.ShutDown()
	workers.Wait()
	for _, factory := range c.factories {
		factory.Shutdown()
	}
	return nil
}

// fill waits until everything is read, and reports whether it was.
func (c *Controller) fill(ctx context.Context) bool {
	if !cache.WaitForCacheSync(ctx.Done(), c.synced...) {
		return false
	}
	c.options.Metrics.setFilled()
	c.options.Logger.Info("pull secrets are kept fresh", "registries", c.options.Registries, "audience", c.options.Audience,
		"namespaces", c.options.Namespaces, "service_accounts", c.options.Accounts)
	return true
}

func (c *Controller) next(ctx context.Context) bool {
	name, ends := c.queue.Get()
	if ends {
		return false
	}
	defer c.queue.Done(name)
	if yet := c.pace.wait(name); yet > 0 {
		c.queue.AddAfter(name, yet)
		return true
	}
	again, err := c.reconcile(ctx, name)
	switch {
	case ctx.Err() != nil:
	case apierrors.HasStatusCause(err, v1.NamespaceTerminatingCause):
		// It goes, and all of it with it.
		c.options.Metrics.succeeded(name)
		c.queue.AddAfter(name, c.pace.pause(name))
	case err != nil:
		c.options.Metrics.failed(name)
		pause := c.pace.pause(name)
		c.options.Logger.Error("no pull secret", "namespace", name.Namespace, "service_account", name.Name, "error", err, "again_in", pause.String())
		c.queue.AddAfter(name, pause)
	default:
		c.options.Metrics.succeeded(name)
		if again > 0 {
			c.queue.AddAfter(name, again)
		}
	}
	return true
}

// reconcile makes one service account what it is to be, and says when to look again.
func (c *Controller) reconcile(ctx context.Context, name cache.ObjectName) (time.Duration, error) {
	a, err := c.accountsIn(name.Namespace).Get(name.Name)
	switch {
	case apierrors.IsNotFound(err):
		c.pace.forget(name)
		c.presence.forget(name)
		return 0, nil // its secret goes with it
	case err != nil:
		return 0, err
	}
	again, done := c.settled(a)
	gone := false
	if done && again > 0 && c.presence.due(name) {
		if gone, err = c.gone(ctx, a); err != nil {
			return 0, err
		}
	}
	if done && !gone {
		return c.left(name, again), nil
	}
	// What is cached may be older than the last change that was made here.
	a, err = c.options.Client.CoreV1().ServiceAccounts(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read the service account: %w", err)
	}
	if again, done := c.settled(a); done && (!gone || again == 0) {
		return c.left(name, again), nil
	}
	if !c.wanted(a) {
		err := c.remove(ctx, a)
		if err == nil {
			c.pace.pause(name)
			c.presence.forget(name)
		}
		return 0, err
	}
	after, err := c.provide(ctx, a)
	if err != nil {
		return 0, err
	}
	c.presence.seen(name)
	return c.left(name, after), nil
}

// gone looks whether the secret was taken away of a service account that says it has one.
func (c *Controller) gone(ctx context.Context, a *v1.ServiceAccount) (bool, error) {
	name := cache.MetaObjectToName(a)
	current, err := c.secretOf(ctx, a)
	if err != nil {
		return false, err
	}
	if current == nil {
		c.options.Logger.Warn("the secret is gone, and is made again", "namespace", name.Namespace, "service_account", name.Name)
		return true, nil
	}
	c.presence.seen(name)
	return false, nil
}

// left is when to look again at a service account whose login is good for a time. One that has none is not looked at by itself.
func (c *Controller) left(name cache.ObjectName, good time.Duration) time.Duration {
	if good <= 0 {
		c.presence.forget(name)
		return 0
	}
	return c.presence.before(name, good)
}

// settled reports whether a service account is what it is to be, and for how long.
func (c *Controller) settled(a *v1.ServiceAccount) (time.Duration, bool) {
	if c.ends(a) {
		return 0, true
	}
	if !c.wanted(a) {
		return 0, a.Annotations[madeAnnotation] != secretName(a.Name) // else another client wrote that
	}
	after, fresh := c.fresh(a.Annotations)
	return after, fresh && c.complete(a)
}

// fresh reports whether annotations say that a login is good, and for how long.
func (c *Controller) fresh(annotations map[string]string) (time.Duration, bool) {
	at, err := time.Parse(time.RFC3339, annotations[RenewAnnotation])
	after := at.Sub(c.options.Now())
	// Who may write the annotation, or a clock that was wrong, could have it never be due.
	return after, err == nil && after > 0 && after <= latest
}

// renewAfter is when two thirds of a life are over, or a little before: of many that began
// at once, not all are replaced at once.
func renewAfter(life time.Duration) time.Duration {
	after := life / 3 * 2
	return max(soonest, after-time.Duration(rand.Int64N(int64(after/10)+1))) //nolint:gosec // spreads load, keeps no secret
}
