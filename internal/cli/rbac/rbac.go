package rbac

import (
	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/subject"
)

// rbac is what all commands below `rbac` share.
type rbac struct {
	login  cli.LoginFlags
	output cli.OutputFlags
}

// NewCommand makes the command rbac with everything below it.
func NewCommand() *cobra.Command {
	r := &rbac{}
	cmd := &cobra.Command{
		Use:   "rbac",
		Short: "Manage users, robots, groups and permissions",
		Long: `Manage users, robots, groups and permissions over the admin API of a running Dockit.

A subject is written user:alice, robot:ci or group:dev. Two are built in:
user:anonymous stands for requests without credentials, and what it may do, everyone
may; group:authenticated is everyone who logged in.

A permission is written <type>:<name>:<actions>:

  repository:team/app:push      pull from and push to one repository
  repository:team/*:pull        pull from everything one level below team
  namespace:team:push,delete    everything in and below team
  namespace:{username}:*        everybody a namespace of their own
  namespace:{k8s.namespace}:pull  what a binding exposes: see 'rbac binding add'
  registry:catalog:*            list all repositories

You need the name and password of an admin: with --username and --password-stdin, in
DOCKIT_USERNAME and DOCKIT_PASSWORD (or DOCKIT_PASSWORD_FILE), as docker login or podman
login stored them for --registry-url, or typed in at a terminal.`,
		Example: `  export DOCKIT_BASE_URL=https://auth.example.com DOCKIT_USERNAME=admin DOCKIT_PASSWORD_FILE=~/.dockit
  dockit rbac add user:alice
  dockit rbac grant user:alice namespace:team:push
  dockit rbac can-i user:alice push team/app`,
	}
	r.login.Register(cmd.PersistentFlags())
	r.output.Register(cmd.PersistentFlags())
	cmd.AddCommand(
		r.addCommand(), r.removeCommand(), r.enableCommand(), r.disableCommand(), r.changePasswordCommand(),
		r.addMemberCommand(), r.removeMemberCommand(),
		r.listCommand(), r.showCommand(),
		r.grantCommand(), r.revokeCommand(), r.permissionsCommand(), r.canICommand(), r.whoCanCommand(), r.explainTokenCommand(),
		r.auditCommand(),
		r.exportCommand(), r.planCommand(), r.applyCommand(), r.importCommand(),
		r.tokenCommand(), r.issuerCommand(), r.bindingCommand(), r.lockoutsCommand(), r.pkiCommand(),
	)
	cli.RequireSubcommand(cmd)
	r.completeArguments(cmd)
	r.completeIssuers(cmd)
	return cmd
}

// connect makes what a command works with. The printer comes first: a wrong
// flag is an error before the user is asked for a password.
func (r *rbac) connect(cmd *cobra.Command) (*client.Client, *cli.Printer, error) {
	return r.connectWith(cmd, false)
}

func (r *rbac) connectWith(cmd *cobra.Command, stdinTaken bool) (*client.Client, *cli.Printer, error) {
	p, err := r.output.Printer(cmd)
	if err != nil {
		return nil, nil, err
	}
	c, err := r.login.Client(cmd, stdinTaken)
	return c, p, err
}

// refArg reads a subject from the command line.
func refArg(arg string) (subject.Ref, error) {
	ref, err := subject.ParseRef(arg)
	return ref, cli.UsageError(err)
}

// refArgOf reads a subject that must be of one kind.
func refArgOf(kind subject.Kind, arg string) (subject.Ref, error) {
	ref, err := refArg(arg)
	if err == nil && ref.Kind != kind {
		return subject.Ref{}, cli.Usagef("%s is no %s: write %[2]s:%s", ref, kind, ref.Name)
	}
	return ref, err
}
