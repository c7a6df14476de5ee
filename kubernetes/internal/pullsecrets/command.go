package pullsecrets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/credentialprovider"
	"github.com/dockit-registry/dockit/internal/tokenexchange"
	"github.com/dockit-registry/dockit/kubernetes/internal/cluster"
	"github.com/dockit-registry/dockit/subject"
)

type command struct {
	cluster    cluster.Flags
	connection cli.ConnectionFlags
	registries []string
	namespaces []string
	accounts   []string
	server     string
	services   []string
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

Of several replicas one works, and another takes over within seconds. It writes and removes no
secret but those that it made, and looks at none that is not called dockit-pull- and the name of
a service account.

With --watch-namespace it works on these namespaces alone, as if they had the label, and needs
no right beyond them. With --service-account it works on service accounts of these names alone,
and needs no right to the tokens and secrets of others.`,
		Example: `  dockit-kubernetes pull-secrets --registry registry.example.com --audience https://registry.example.com
  dockit-kubernetes pull-secrets --registry registry.example.com --registry mirror.example.com:5000 --server https://dockit.example.com \
    --ca-file ca.pem --service mirror.example.com:5000=mirror
  kubectl label namespace team-a ` + Label + `=true
  dockit-kubernetes pull-secrets --registry registry.example.com --watch-namespace team-a --watch-namespace team-b --service-account default`,
		Args: cobra.NoArgs,
		RunE: c.run,
	}
	flags := cmd.Flags()
	c.cluster.Register(flags)
	c.connection.RegisterTrust(flags, 10*time.Second, "how long to wait for each answer of Dockit")
	flags.StringArrayVar(&c.registries, "registry", nil, "`host` of a registry that pods pull from (repeatable)")
	flags.StringVar(&c.server, "server", "", "`URL` of Dockit (default https at the host of the registry)")
	flags.StringArrayVar(&c.services, "service", nil, "`name` of the registries at Dockit, or HOST=NAME for one of several (repeatable; default the host of each)")
	flags.StringVar(&c.audience, "audience", "", "`audience` of the tokens (default https:// and the registry, the first one with --server)")
	flags.StringArrayVar(&c.namespaces, "watch-namespace", nil, "`namespace` to work on, with or without the label (repeatable; default all that have it)")
	flags.StringArrayVar(&c.accounts, "service-account", nil, "`name` of service accounts to work on (repeatable; default any)")
	flags.StringVar(&c.listen, "listen", ":8080", "`address` of /metrics, /healthz and /readyz")
	flags.StringVar(&c.namespace, "namespace", "", "`namespace` of the lease by which one replica works (default that of the pod)")
	flags.IntVar(&c.workers, "workers", 8, "how many service accounts are worked on at once")
	return cmd
}

// namespaceFile is where a pod has the name of its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

func (c *command) run(cmd *cobra.Command, _ []string) error {
	exchange, revoke, err := c.exchanger(cmd)
	if err != nil {
		return err
	}
	switch {
	case c.audience == "" && c.server != "":
		c.audience = "https://" + c.registries[0]
	case c.audience != "" && c.server == "" && len(c.registries) > 1:
		return cli.Usagef("a token for %s would go to each of the registries: write --server URL if one Dockit is behind all of them, or leave --audience out", c.audience)
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
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	logger := slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
	options := Options{
		Client: kube, Audience: c.audience, Registries: c.registries, Server: c.server, Service: strings.Join(unique(c.services), ","), Namespaces: unique(c.namespaces), Accounts: c.accounts,
		Exchange: exchange, Revoke: revoke, Workers: c.workers, Logger: logger, Metrics: NewMetrics(registry),
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	return c.work(ctx, options, registry)
}

// work serves metrics and health, and leads when it may, until ctx ends or one of both fails.
func (c *command) work(ctx context.Context, o Options, registry *prometheus.Registry) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("find the name of this replica: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.listen)
	if err != nil {
		return fmt.Errorf("listen at %s for metrics and health: %w: choose another address with --listen", c.listen, err)
	}
	o.Logger.Info("metrics and health", "listen", listener.Addr().String())
	e := newElection(o, c.namespace, fmt.Sprintf("%s_%d", host, os.Getpid()))
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := serve(ctx, listener, newHandler(registry, o.Metrics, e.watchdog)); err != nil {
			stop(err)
		}
	})
	err = e.lead(ctx)
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	stop(nil)
	serving.Wait()
	return err
}

// unique is a list with each of its texts once.
func unique(texts []string) []string {
	all := slices.Clone(texts)
	slices.Sort(all)
	return slices.Compact(all)
}

type (
	exchanger func(ctx context.Context, registry, token, robot string) (Login, error)
	revoker   func(ctx context.Context, registry, password string) error
)

// exchanger gets logins of Dockit, and ends them.
func (c *command) exchanger(cmd *cobra.Command) (exchanger, revoker, error) {
	if len(c.registries) == 0 {
		return nil, nil, cli.Usagef("no registry: write --registry HOST for each that pods pull from")
	}
	for i, registry := range c.registries {
		host, err := credentialprovider.ParseRegistry(registry)
		if err != nil {
			return nil, nil, cli.Usagef("--registry: %w", err)
		}
		c.registries[i] = host
	}
	services, err := c.serviceNames()
	if err != nil {
		return nil, nil, err
	}
	var server *url.URL
	if c.server != "" {
		if server, err = ParseServer(c.server); err != nil {
			return nil, nil, cli.Usagef("--server: %w", err)
		}
	}
	roots, err := c.connection.Roots(cmd.ErrOrStderr())
	if err != nil {
		return nil, nil, err
	}
	web := c.connection.HTTPClient(roots)
	dockit := func(registry string) tokenexchange.Client {
		at := server
		if at == nil {
			at = &url.URL{Scheme: "https", Host: registry}
		}
		return tokenexchange.Client{HTTP: web, Realm: at.JoinPath("v2", "token")}
	}
	exchange := func(ctx context.Context, registry, token, robot string) (Login, error) {
		robot = strings.TrimPrefix(robot, "robot:")
		if robot != "" {
			if err := subject.ValidateName(robot); err != nil {
				return Login{}, fmt.Errorf("the annotation %s: %w", RobotAnnotation, err)
			}
		}
		got, err := dockit(registry).Exchange(ctx, tokenexchange.Request{Token: token, Service: services[registry], Robot: robot})
		if err == nil && robot != "" && got.Username != robot {
			err = fmt.Errorf("the answer is for robot:%s, and robot:%s was asked for: is that Dockit?", got.Username, robot)
		}
		return Login(got), err
	}
	revoke := func(ctx context.Context, registry, password string) error {
		return dockit(registry).Revoke(ctx, password, tokenexchange.AccessToken)
	}
	return exchange, revoke, nil
}

// serviceNames are what the registries are called at Dockit, by their hosts.
func (c *command) serviceNames() (map[string]string, error) {
	names := map[string]string{}
	all := ""
	for _, text := range c.services {
		host, name, one := strings.Cut(text, "=")
		switch {
		case !one && all != "":
			return nil, cli.Usagef("--service: %q and %q are both the name of all registries: write HOST=NAME for each", all, text)
		case !one:
			all = text
		case !slices.Contains(c.registries, host) || name == "":
			return nil, cli.Usagef("--service %q: write HOST=NAME with a HOST of --registry", text)
		case names[host] != "":
			return nil, cli.Usagef("--service: %s is called %q and %q", host, names[host], name)
		default:
			names[host] = name
		}
	}
	for _, registry := range c.registries {
		names[registry] = cmp.Or(names[registry], all, registry)
	}
	return names, nil
}

// ParseServer reads where Dockit is. Within a cluster it may be on http, where a network
// policy, or a mesh, says who listens.
func ParseServer(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("%q: write a URL such as https://dockit.example.com", s)
	}
	if inside := strings.HasSuffix(u.Hostname(), ".svc") || strings.HasSuffix(u.Hostname(), ".svc.cluster.local") || !strings.Contains(u.Hostname(), ".") && net.ParseIP(u.Hostname()) == nil; u.Scheme == "http" && !inside && !credentialprovider.IsLoopback(u.Hostname()) {
		return nil, fmt.Errorf("%q: a token that goes there can be read on the way; use https", s)
	}
	return u, nil
}
