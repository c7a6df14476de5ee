package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/ciplatform"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/dockerconfig"
	"github.com/dockit-registry/dockit/internal/duration"
	"github.com/dockit-registry/dockit/internal/tokenexchange"
	"github.com/dockit-registry/dockit/subject"
)

const loginLong = `Log a CI job or a workload in with the token that its platform signed for it: no secret is
stored anywhere. The server has to trust the issuer of the token, and a binding says which
robot it stands for: see 'rbac issuer' and 'rbac binding'.

The registry says where its tokens come from and what its service is called. The platform's
token is meant for that service, or for --audience, and is the first of these:
  --token-file F, - for standard input
  DOCKIT_ID_TOKEN, which a pipeline of GitLab declares below id_tokens
  the file of DOCKIT_ID_TOKEN_FILE, or /var/run/secrets/dockit/token, which a pod mounts
  what GitHub Actions, Forgejo Actions, Buildkite, CircleCI or Bitbucket has for the job
Where there is none, the command says what to add to the pipeline.

It is exchanged for a password of the robot that lasts for the session of the binding, and
docker's configuration keeps that as docker login would, with the credential helper that is
set there: docker, buildx, podman, skopeo, crane, oras and helm find it. --print writes the
password to standard output instead, and keeps nothing. 'dockit logout' ends it.

A token that is meant for somebody else is not sent, nor is any over plain http but to this
machine.`

// command is a login.
type command struct {
	registryFlags
	robot, audience, tokenFile string
	print                      bool

	patience patience
	now      func() time.Time
}

// NewLoginCommand makes the command login.
func NewLoginCommand() *cobra.Command {
	l := &command{now: time.Now}
	cmd := &cobra.Command{
		Use:   "login [REGISTRY]",
		Short: "Log a CI job or a workload in with the token that its platform signed",
		Long:  loginLong,
		Example: `  dockit login registry.example.com
  dockit login registry.example.com --robot deploy          # where the token stands for several
  dockit login registry.example.com --token-file token.jwt
  dockit login registry.example.com --print | skopeo login registry.example.com -u ci --password-stdin`,
		Args: cobra.MaximumNArgs(1),
		RunE: l.run,
	}
	l.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&l.robot, "robot", "", "the `robot` to log in as (default the one that the token stands for)")
	flags.StringVar(&l.audience, "audience", "", "`audience` that the token is to be meant for (default the registry's service)")
	flags.StringVar(&l.tokenFile, "token-file", "", "`file` with the token, - for standard input")
	flags.BoolVar(&l.print, "print", false, "write the password to standard output, and keep nothing")
	for _, name := range []string{"robot", "audience"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions) // the flag is there
	}
	return cmd
}

func (l *command) run(cmd *cobra.Command, args []string) error {
	l.patience.warnings = cmd.ErrOrStderr()
	registry, err := l.target(args)
	if err != nil {
		return err
	}
	if l.robot != "" {
		ref, err := subject.ParseRef("robot:" + strings.TrimPrefix(l.robot, "robot:"))
		if err != nil {
			return cli.UsageError(err)
		}
		l.robot = ref.Name
	}
	server, others, err := l.clients(cmd)
	if err != nil {
		return err
	}
	platform := ciplatform.Environment{Stdin: cmd.InOrStdin(), HTTP: others}
	source, err := platform.Find(l.tokenFile)
	switch {
	case errors.Is(err, ciplatform.ErrNone):
		wanted, guessed := l.wanted(cmd.Context(), registry, server)
		err = fmt.Errorf("%w\n\n%s", err, platform.Advice(wanted, string(registry.host)))
		if guessed != nil {
			err = fmt.Errorf("%w\n\nWhat the service is called is a guess: %w", err, guessed)
		}
		return err
	case err != nil:
		return cli.UsageError(err)
	}
	credential, from, err := l.exchange(cmd, registry, server, source)
	if err != nil {
		return fmt.Errorf("log in to %s: %w", registry.host, err)
	}
	if l.print {
		return l.show(cmd, registry, credential, platform.Actions())
	}
	return l.store(cmd, registry, credential, from)
}

// wanted is whom a token would have to be meant for; with an error, that is a guess.
func (l *command) wanted(ctx context.Context, registry *target, server *http.Client) (string, error) {
	if l.audience != "" {
		return l.audience, nil
	}
	from, err := registry.ask(ctx, server)
	if err != nil {
		return string(registry.host), err
	}
	return from.service, nil
}

// exchange gets the platform's token, and for that a credential of the server.
func (l *command) exchange(cmd *cobra.Command, registry *target, server *http.Client, source *ciplatform.Source) (credential tokenexchange.Credential, from place, err error) {
	ctx := cmd.Context()
	err = l.patience.do(ctx, func() (err error) {
		from, err = registry.ask(ctx, server)
		return err
	})
	if err != nil {
		return credential, from, err
	}
	audiences, err := from.audiences(registry, l.audience, cmd.ErrOrStderr())
	if err != nil {
		return credential, from, err
	}
	var token string
	err = l.patience.do(ctx, func() (err error) {
		token, err = source.Token(ctx, audiences...)
		return err
	})
	if err != nil {
		return credential, from, err
	}
	request := tokenexchange.Request{Token: token, Service: from.service, Robot: l.robot}
	err = l.patience.do(ctx, func() (err error) {
		credential, err = tokenexchange.Client{HTTP: server, Realm: from.realm}.Exchange(ctx, request)
		return explain(from, err)
	})
	if err == nil && l.robot != "" && l.robot != credential.Username {
		err = fmt.Errorf("%s answers for robot:%s, and robot:%s was asked for", from.realm, credential.Username, l.robot)
	}
	return credential, from, err
}

// explain says where a connection failed, and what to do about a certificate.
func explain(from place, err error) error {
	var unexplained error
	if unexplained = cli.ExplainConnection(err); unexplained == nil || unexplained.Error() == err.Error() {
		return err
	}
	return fmt.Errorf("%s: %w", from.realm, unexplained)
}

// show writes the password, and the rest for people. In the log of a job it is not to
// be read.
func (l *command) show(cmd *cobra.Command, registry *target, credential tokenexchange.Credential, mask bool) error {
	if mask {
		fmt.Fprintf(cmd.ErrOrStderr(), "::add-mask::%s\n", credential.Password)
	}
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), credential.Password); err != nil {
		return fmt.Errorf("write the password: %w", err)
	}
	cli.Warnf(cmd.ErrOrStderr(), "robot:%s may log in to %s with it%s", credential.Username, registry.host, l.until(credential))
	return nil
}

func (l *command) store(cmd *cobra.Command, registry *target, credential tokenexchange.Credential, from place) error {
	login := dockerconfig.Login{Username: credential.Username, Secret: credential.Password}
	where, err := dockerconfig.Store(cmd.Context(), registry.host, login)
	if err != nil {
		// No client can use it then.
		return errors.Join(err, l.discard(cmd, from, credential))
	}
	cli.Warnf(cmd.ErrOrStderr(), "Logged in to %s as robot:%s%s; stored in %s", registry.host, credential.Username, l.until(credential), where)
	if found, err := dockerconfig.Find(cmd.Context(), registry.host); err == nil && found.Secret != login.Secret {
		cli.Warnf(cmd.ErrOrStderr(), "Warning: DOCKER_AUTH_CONFIG or REGISTRY_AUTH_FILE has another login for %s, which clients may use instead: unset it", registry.host)
	}
	return nil
}

// discard ends a credential that could not be kept.
func (l *command) discard(cmd *cobra.Command, from place, credential tokenexchange.Credential) error {
	server, _, err := l.clients(cmd)
	if err != nil {
		return err
	}
	return explain(from, tokenexchange.Client{HTTP: server, Realm: from.realm}.Revoke(cmd.Context(), credential.Password, tokenexchange.AccessToken))
}

// until says how long a credential lasts.
func (l *command) until(credential tokenexchange.Credential) string {
	if credential.ExpiresIn == 0 {
		return ""
	}
	rest := credential.ExpiresIn
	if rest > time.Hour { // a second of which is over
		rest = rest.Round(time.Minute)
	}
	return fmt.Sprintf(" until %s (%s)", l.now().Add(credential.ExpiresIn).Local().Format(time.RFC3339), duration.Format(rest))
}
