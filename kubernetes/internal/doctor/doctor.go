// Package doctor holds the command that says what a pull without a secret lacks.
package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/challenge"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/credentialprovider"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/internal/tokenexchange"
	"github.com/dockit-registry/dockit/kubernetes/internal/cluster"
	"github.com/dockit-registry/dockit/kubernetes/internal/pullsecrets"
)

type command struct {
	cluster    cluster.Flags
	connection cli.ConnectionFlags
	image      string
	namespace  string
	account    string
	audience   string
	server     string
	node       string
	config     string
}

// NewCommand makes the command doctor.
func NewCommand() *cobra.Command {
	var c command
	cmd := &cobra.Command{
		Use:   "doctor IMAGE",
		Short: "Say what a pull without a secret lacks",
		Long: `Say what the pull of an image by the token of a service account lacks, in the order in which
it happens, and print the manifest or the command that mends it: the kubelet's flag and the
plugin's configuration, the RBAC verb, the audience, the issuer and its keys, the binding,
the permission. Where the service account has a pull secret of 'pull-secrets', it looks at that
instead of the kubelet. What cannot be looked at from here is said.

It runs in a pod or outside, and asks for a token of the service account itself, which takes
the right to create serviceaccounts/token; a session that it begins at Dockit, it ends.`,
		Example: `  dockit-kubernetes doctor registry.example.com/team-a/app --namespace team-a
  dockit-kubernetes doctor registry.example.com/team-a/app --namespace team-a --node worker-1 --provider-config /etc/kubernetes/credential-provider.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.image = args[0]
			return c.run(cmd)
		},
	}
	flags := cmd.Flags()
	c.cluster.Register(flags)
	c.connection.RegisterTrust(flags, 10*time.Second, "how long to wait for each answer")
	flags.StringVarP(&c.namespace, "namespace", "n", "default", "`namespace` of the pod")
	flags.StringVar(&c.account, "service-account", "default", "`name` of its service account")
	flags.StringVar(&c.audience, "audience", "", "`audience` of its token (default https:// and the registry)")
	flags.StringVar(&c.server, "server", "", "`URL` of Dockit (default https at the host of the registry)")
	flags.StringVar(&c.node, "node", "", "`name` of a node whose kubelet is looked at (default none)")
	flags.StringVar(&c.config, "provider-config", "", "`file` that the kubelet has as --image-credential-provider-config")
	return cmd
}

// report writes what was found.
type report struct {
	w      io.Writer
	broken int
}

func (r *report) good(format string, args ...any) {
	r.line("ok       ", fmt.Sprintf(format, args...))
}

func (r *report) unknown(format string, args ...any) {
	r.line("unknown  ", fmt.Sprintf(format, args...))
}

func (r *report) missing(cure, format string, args ...any) {
	r.broken++
	r.line("missing  ", fmt.Sprintf(format, args...))
	for line := range strings.SplitSeq(strings.TrimRight(cure, "\n"), "\n") {
		r.line("", line)
	}
}

// line writes one: what registries and servers say is part of it, and must not get to the terminal as it is.
func (r *report) line(kind, text string) { fmt.Fprintln(r.w, kind+printable.Line(text)) }

// errBroken is returned when something is missing.
var errBroken = errors.New("a pull without a secret lacks what is told above")

func (c *command) run(cmd *cobra.Command) error {
	host, repository, _ := strings.Cut(c.image, "/")
	if repository, _, _ = strings.Cut(repository, "@"); strings.LastIndex(repository, ":") > strings.LastIndex(repository, "/") {
		repository = repository[:strings.LastIndex(repository, ":")]
	}
	host, err := credentialprovider.ParseRegistry(host)
	if err != nil || repository == "" {
		return cli.Usagef("%q is no image: write registry.example.com/team/app", c.image)
	}
	if c.audience == "" {
		c.audience = "https://" + host
	}
	server := &url.URL{Scheme: "https", Host: host}
	if c.server != "" {
		if server, err = pullsecrets.ParseServer(c.server); err != nil {
			return cli.Usagef("--server: %w", err)
		}
	}
	roots, err := c.connection.Roots(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	kube, err := c.cluster.Client()
	if err != nil {
		return err
	}
	ctx, r, web := cmd.Context(), &report{w: cmd.OutOrStdout()}, c.connection.HTTPClient(roots)
	robot, kept := c.checkAccount(ctx, r, kube)
	if !kept || c.node != "" || c.config != "" {
		c.checkKubelet(ctx, r, kube, host, robot)
		c.checkVerb(ctx, r, kube)
	}
	token := c.checkToken(ctx, r, kube)
	service := checkRegistry(ctx, r, web, host)
	if token != "" && service != "" {
		c.checkPull(ctx, r, web, server, service, tokenexchange.Request{Token: token, Service: service, Robot: robot}, repository)
	}
	if r.broken > 0 {
		return errBroken
	}
	return nil
}

// checkPull exchanges the token as the plugin does, and asks for what a pull asks for.
func (c *command) checkPull(ctx context.Context, r *report, web *http.Client, server *url.URL, service string, request tokenexchange.Request, repository string) {
	exchange := tokenexchange.Client{HTTP: web, Realm: server.JoinPath("v2", "token")}
	got, err := exchange.Exchange(ctx, request)
	if err != nil {
		r.missing(c.cureOf(err, request.Robot), "Dockit takes the token: %v", err)
		return
	}
	r.good("Dockit takes the token, and it stands for robot:%s", got.Username)
	defer func() { _ = exchange.Revoke(context.WithoutCancel(ctx), got.Password, tokenexchange.AccessToken) }()
	opened, err := mayPull(ctx, web, exchange.Realm, service, got, repository)
	switch {
	case err != nil:
		r.missing(cmp.Or(connectionCure(err, "name the address of Dockit with --server"), "look at the log of Dockit"), "a registry token: %v", err)
	case !opened:
		r.missing("dockit rbac grant robot:"+got.Username+" repository:"+repository+":pull", "robot:%s may pull %s", got.Username, repository)
	default:
		r.good("robot:%s may pull %s", got.Username, repository)
	}
}

// mayPull reports whether a login opens a repository, by what its registry token says.
func mayPull(ctx context.Context, web *http.Client, realm *url.URL, service string, login tokenexchange.Credential, repository string) (bool, error) {
	at := *realm
	at.RawQuery = url.Values{"service": {service}, "scope": {"repository:" + repository + ":pull"}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return false, err
	}
	request.SetBasicAuth(login.Username, login.Password)
	response, err := web.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	var answer struct {
		Token string `json:"token"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&answer); err != nil || response.StatusCode != http.StatusOK {
		return false, fmt.Errorf("status %s", response.Status)
	}
	return opens(answer.Token)
}

// checkRegistry asks the registry what it is called.
func checkRegistry(ctx context.Context, r *report, web *http.Client, host string) string {
	scheme := "https"
	if name, _, _ := strings.Cut(host, ":"); credentialprovider.IsLoopback(name) {
		scheme = "http"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+host+"/v2/", nil)
	if err != nil {
		r.missing("", "the registry: %v", err)
		return ""
	}
	response, err := web.Do(request)
	if err != nil {
		r.missing(connectionCure(err, "write the address of the registry in the image's name")+"\nthe pod's node has to reach it as well", "the registry answers: %v", cli.ExplainConnection(err))
		return ""
	}
	_ = response.Body.Close()
	asked, err := challenge.Of(response.Header)
	if err != nil || asked.Service == "" {
		r.missing("set REGISTRY_AUTH=token and REGISTRY_AUTH_TOKEN_SERVICE there", "the registry asks for tokens of Dockit: status %s: %v", response.Status, err)
		return ""
	}
	r.good("the registry is the service %s, with tokens from %s", asked.Service, asked.Realm)
	return asked.Service
}
