package pullsecrets

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/credentialprovider"
	"github.com/dockit-registry/dockit/internal/tokenexchange"
	"github.com/dockit-registry/dockit/kubernetes/internal/cluster"
)

type command struct {
	cluster    cluster.Flags
	connection cli.ConnectionFlags
	registries []string
	server     string
	service    string
	audience   string
	listen     string
	namespace  string
	workers    int
}

// NewCommand makes the command pull-secrets.
func NewCommand() *cobra.Command {
	var c command
	cmd := &cobra.Command{
		Use:   "pull-secrets --registry HOST --audience AUDIENCE",
		Short: "Keep pull secrets fresh, where kubelets cannot run the credential provider",
		Long: `Keep pull secrets fresh, where kubelets cannot run the credential provider: for each service
account with the label ` + Label + `=true, and for the service account default of each
namespace with it, ask the API server for a token, exchange it at Dockit, and write the login
into a secret that stands in the imagePullSecrets of the service account. It is replaced when
two thirds of its life are over, and removed with the label.

Of several replicas one works, and another takes over within seconds. It reads no secret.`,
		Example: `  dockit-kubernetes pull-secrets --registry registry.example.com --audience https://registry.example.com
  kubectl label namespace team-a ` + Label + `=true`,
		Args: cobra.NoArgs,
		RunE: c.run,
	}
	flags := cmd.Flags()
	c.cluster.Register(flags)
	c.connection.RegisterTrust(flags, 10*time.Second, "how long to wait for each answer of Dockit")
	flags.StringArrayVar(&c.registries, "registry", nil, "`host` of a registry that pods pull from (repeatable)")
	flags.StringVar(&c.server, "server", "", "`URL` of Dockit (default https at the host of the registry)")
	flags.StringVar(&c.service, "service", "", "`name` of the registry at Dockit (default its host)")
	flags.StringVar(&c.audience, "audience", "", "`audience` of the tokens (default https:// and the first registry)")
	flags.StringVar(&c.listen, "listen", ":8080", "`address` of /metrics, /healthz and /readyz")
	flags.StringVar(&c.namespace, "namespace", "", "`namespace` of the lease by which one replica works (default that of the pod)")
	flags.IntVar(&c.workers, "workers", 8, "how many service accounts are worked on at once")
	return cmd
}

// namespaceFile is where a pod has the name of its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

func (c *command) run(cmd *cobra.Command, _ []string) error {
	exchange, err := c.exchanger(cmd)
	if err != nil {
		return err
	}
	if c.audience == "" {
		c.audience = "https://" + c.registries[0]
	}
	if c.namespace == "" {
		content, err := os.ReadFile(namespaceFile)
		if err != nil {
			return cli.Usagef("this runs in no pod: name the namespace of the lease with --namespace")
		}
		c.namespace = strings.TrimSpace(string(content))
	}
	config, err := c.cluster.Config()
	if err != nil {
		return err
	}
	const perSecond, atOnce = 100, 200
	config.QPS, config.Burst = perSecond, atOnce
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	logger := slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
	options := Options{
		Client: kube, Audience: c.audience, Registries: c.registries, Exchange: exchange, Workers: c.workers, Logger: logger, Metrics: NewMetrics(registry),
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go c.serve(ctx, stop, registry, logger)
	return lead(ctx, options, c.namespace)
}

// exchanger gets logins of Dockit.
func (c *command) exchanger(cmd *cobra.Command) (func(context.Context, string, string, string) (Login, error), error) {
	if len(c.registries) == 0 {
		return nil, cli.Usagef("no registry: write --registry HOST for each that pods pull from")
	}
	for i, registry := range c.registries {
		host, err := credentialprovider.ParseRegistry(registry)
		if err != nil {
			return nil, cli.Usagef("--registry: %w", err)
		}
		c.registries[i] = host
	}
	var server *url.URL
	if c.server != "" {
		var err error
		if server, err = ParseServer(c.server); err != nil {
			return nil, cli.Usagef("--server: %w", err)
		}
	}
	roots, err := c.connection.Roots(cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	web := c.connection.HTTPClient(roots)
	return func(ctx context.Context, registry, token, robot string) (Login, error) {
		at, service := server, c.service
		if at == nil {
			at = &url.URL{Scheme: "https", Host: registry}
		}
		if service == "" {
			service = registry
		}
		got, err := tokenexchange.Client{HTTP: web, Realm: at.JoinPath("v2", "token")}.Exchange(ctx, tokenexchange.Request{
			Token: token, Service: service, Robot: strings.TrimPrefix(robot, "robot:"),
		})
		return Login(got), err
	}, nil
}

// ParseServer reads where Dockit is. Within a cluster it may be on http, where a network
// policy, or a mesh, says who listens.
func ParseServer(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("%q: write a URL such as https://dockit.example.com", s)
	}
	if inside := strings.HasSuffix(u.Hostname(), ".svc") || strings.HasSuffix(u.Hostname(), ".svc.cluster.local") || !strings.Contains(u.Hostname(), "."); u.Scheme == "http" && !inside && !credentialprovider.IsLoopback(u.Hostname()) {
		return nil, fmt.Errorf("%q: a token that goes there can be read on the way; use https", s)
	}
	return u, nil
}

// serve serves metrics and health until ctx ends.
func (c *command) serve(ctx context.Context, stop func(), registry *prometheus.Registry, logger *slog.Logger) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	alive := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) }
	mux.HandleFunc("GET /healthz", alive)
	mux.HandleFunc("GET /readyz", alive)
	server := &http.Server{Addr: c.listen, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		logger.Error("cannot serve metrics and health", "error", err)
		stop()
	}
}

// How long a replica leads without renewing its lease, tries to renew it, and waits between tries.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// lead runs a controller while this replica has the lease. It ends when it loses it: the
// pod is started anew.
func lead(ctx context.Context, o Options, namespace string) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Name: "dockit-pull-secrets", Namespace: namespace}, Client: o.Client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: fmt.Sprintf("%s_%d", host, os.Getpid())},
		},
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod, ReleaseOnCancel: true, Name: "dockit-pull-secrets",
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				o.Metrics.Leads.Set(1)
				c, err := New(o)
				if err == nil {
					err = c.Run(ctx)
				}
				if err != nil {
					cancel(err)
				}
			},
			OnStoppedLeading: func() { o.Metrics.Leads.Set(0) },
		},
	})
	switch cause := context.Cause(ctx); {
	case ctx.Err() == nil:
		return errors.New("another replica has the lease")
	case errors.Is(cause, context.Canceled):
		return nil
	default:
		return cause
	}
}
