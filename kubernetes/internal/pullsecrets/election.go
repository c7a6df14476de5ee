package pullsecrets

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// How long a replica leads without renewing its lease, tries to renew it, and waits between tries.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
	// leaseName is the name of the lease.
	leaseName = "dockit-pull-secrets"
)

// errLost is why a replica ends whose lease another one may have by now.
var errLost = errors.New("the lease was not renewed in time, and another replica may have it")

// election has one of several replicas work.
type election struct {
	options             Options
	namespace, identity string
	watchdog            *leaderelection.HealthzAdaptor
}

func newElection(o Options, namespace, identity string) *election {
	return &election{options: o, namespace: namespace, identity: identity, watchdog: leaderelection.NewLeaderHealthzAdaptor(leaseDuration)}
}

// lead runs a controller while this replica has the lease. When it loses it, it returns
// [errLost]: the pod is started anew. When ctx ends, the controller ends first and the lease is
// given back after that, so that two never write.
func (e *election) lead(ctx context.Context) error {
	held, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	led, began := make(chan error, 1), make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Name: leaseName, Namespace: e.namespace}, Client: e.options.Client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: e.identity},
		},
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod, ReleaseOnCancel: true, Name: leaseName, WatchDog: e.watchdog,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(holds context.Context) {
				close(began)
				working, stop := context.WithCancel(holds)
				defer stop()
				defer context.AfterFunc(ctx, stop)()
				led <- e.work(working)
				release()
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("make the election of a leader: %w", err)
	}
	e.watchdog.SetLeaderElection(elector)
	// Who waits for the lease holds nothing.
	defer context.AfterFunc(ctx, func() {
		select {
		case <-began:
		default:
			release()
		}
	})()
	elector.Run(held)
	select {
	case <-began:
		err := <-led
		if err == nil && ctx.Err() == nil {
			err = errLost
		}
		return err
	default:
		return nil
	}
}

// work runs a controller until ctx ends.
func (e *election) work(ctx context.Context) error {
	e.options.Metrics.setLeads(true)
	defer e.options.Metrics.setLeads(false)
	c, err := New(e.options)
	if err != nil {
		return err
	}
	return c.Run(ctx)
}
