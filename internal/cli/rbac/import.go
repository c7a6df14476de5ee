package rbac

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/importer"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// imported is what an import prints for programs.
type imported struct {
	Applied  bool               `json:"applied"`
	Findings []importer.Finding `json:"findings"`
	Plan     adminapi.Plan      `json:"plan"`
}

type importFunc func(io.Reader) (*importer.Result, error)

func (r *rbac) importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Bring users and rights from other ways to protect a registry",
		Long: `Bring users and rights from other ways to protect a registry. What is there already stays:
an import only adds. It shows what it would do, and what cannot be carried over and why.
Only with --apply it changes anything, all of it or nothing. Passwords of users who exist
stay as well, unless --replace-passwords is given.

It exits with 1 when there was something in the file that it could not read, also after
--apply; what is only not carried over is a warning.`,
		Example: "  dockit rbac import htpasswd /etc/registry/htpasswd\n  dockit rbac import docker-auth /etc/docker-auth/config.yml --apply",
	}
	cmd.AddCommand(
		r.importerCommand("htpasswd FILE", "Bring the users of an htpasswd file, with their bcrypt hashes",
			`Bring the users of an htpasswd file. bcrypt hashes are kept, so that people keep their
passwords. Permissions are not in such a file: grant them afterwards.`,
			"  dockit rbac import htpasswd /etc/registry/htpasswd\n  dockit rbac import htpasswd /etc/registry/htpasswd --apply", importer.HTPasswd),
		r.importDockerAuthCommand(),
	)
	cli.RequireSubcommand(cmd)
	return cmd
}

func (r *rbac) importDockerAuthCommand() *cobra.Command {
	var options importer.DockerAuthOptions
	cmd := r.importerCommand("docker-auth CONFIG.yml", "Bring the static users and the ACL of docker_auth",
		`Bring the static users and the static ACL of a configuration of docker_auth, with the bcrypt
hashes of the users. There the first rule that matches decides, and rules can deny;
permissions only add up. Where that cannot be said exactly, less is carried over, never more,
and what is missing is told with the number and the line of the rule.`,
		`  dockit rbac import docker-auth /etc/docker-auth/config.yml
  dockit rbac import docker-auth /etc/docker-auth/config.yml --service registry.example.com --apply`,
		func(in io.Reader) (*importer.Result, error) { return importer.DockerAuth(in, options) })
	cmd.Flags().StringVar(&options.Service, "service", "", "`name` of the registry that Dockit serves: rules for it are carried over, and those for others are not in the way")
	return cmd
}

func (r *rbac) importerCommand(use, short, long, example string, read importFunc) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Example: example, Args: cobra.ExactArgs(1)}
	cmd.Flags().BoolVar(&o.apply, "apply", false, "do it, instead of showing what would be done")
	cmd.Flags().BoolVar(&o.shared, "share-groups", false, "also give rights to members of groups that exist already and that the file does not name")
	cmd.Flags().BoolVar(&o.replace, "replace-passwords", false, "also set the passwords of users who exist already to those of the file; needs your password, a token is not enough")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if args[0] == "-" && r.login.PasswordStdin {
			return cli.Usagef("standard input cannot hold both the file and the password: set DOCKIT_PASSWORD_FILE")
		}
		content, err := readInput(cmd, args[0], importer.MaxSize)
		if err != nil {
			return err
		}
		result, err := read(bytes.NewReader(content))
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		c, p, err := r.connect(cmd)
		if err != nil {
			return err
		}
		return r.sendImport(cmd, c, p, result, o)
	}
	return cmd
}

// importOptions say what an import does beside showing it.
type importOptions struct{ apply, shared, replace bool }

func (r *rbac) sendImport(cmd *cobra.Command, c *client.Client, p *cli.Printer, result *importer.Result, o importOptions) error {
	document, err := result.Document.Bytes(state.YAML)
	if err != nil {
		return fmt.Errorf("write what was imported: %w", err)
	}
	foreign, err := foreignMembers(cmd.Context(), c, result.Document)
	if err != nil {
		return err
	}
	kept, err := o.keptPasswords(cmd.Context(), c, document)
	if err != nil {
		return err
	}
	result.Findings = slices.Concat(result.Findings, kept, foreign)
	if p.Format == cli.FormatTable {
		for _, finding := range result.Findings {
			cli.Warnf(cmd.ErrOrStderr(), "%v", finding)
		}
	}
	if o.apply && len(foreign) > 0 && !o.shared {
		return fmt.Errorf("%s exists already and has members that the file does not name, who would get more rights: "+
			"rename the group, or add --share-groups to do it all the same", foreign[0].What)
	}
	send := c.PlanState
	if o.apply {
		send = c.ApplyState
	}
	plan, err := send(cmd.Context(), bytes.NewReader(document), o.state())
	if err != nil {
		return err
	}
	if err := o.print(p, plan, result.Findings); err != nil {
		return err
	}
	unread := slices.ContainsFunc(result.Findings, func(f importer.Finding) bool { return f.Severity == importer.Error })
	if unread {
		return errors.New("not everything in the file could be read: see the errors above")
	}
	return nil
}

func (o importOptions) state() state.Options {
	return state.Options{Add: true, ReplacePasswords: o.replace}
}

func (o importOptions) print(p *cli.Printer, plan adminapi.Plan, findings []importer.Finding) error {
	switch {
	case p.Format == cli.FormatJSON || p.Format == cli.FormatYAML:
		return p.One(imported{o.apply, append([]importer.Finding{}, findings...), plan}, "", nil)
	case o.apply:
		return printPlan(p, plan, "nothing to add", "were")
	}
	if err := printPlan(p, plan, "nothing to add", "would be"); err != nil {
		return err
	}
	if p.Format == cli.FormatTable && len(plan.Changes) > 0 && !p.Quiet {
		p.Line("nothing was changed: add --apply to do it")
	}
	return nil
}

// keptPasswords finds the users of an import who exist already and have other
// passwords, which stay.
func (o importOptions) keptPasswords(ctx context.Context, c *client.Client, document []byte) ([]importer.Finding, error) {
	if o.replace {
		return nil, nil
	}
	all, err := c.PlanState(ctx, bytes.NewReader(document), state.Options{Add: true, ReplacePasswords: true})
	if err != nil {
		return nil, err
	}
	plan, err := c.PlanState(ctx, bytes.NewReader(document), o.state())
	if err != nil {
		return nil, err
	}
	taken := map[subject.Ref]bool{}
	for _, change := range plan.Changes {
		taken[change.Subject] = change.Password
	}
	var findings []importer.Finding
	for _, change := range all.Changes {
		if change.Password && !taken[change.Subject] {
			findings = append(findings, importer.Finding{
				Severity: importer.Warning, What: change.Subject.String(),
				Why: "it exists already and keeps its password; that of the file, if it is another, is not taken over: add --replace-passwords if it should be",
			})
		}
	}
	return findings, nil
}

// foreignMembers finds the groups of an import that exist already and have
// members that it does not name: rights that it brings would be theirs too.
func foreignMembers(ctx context.Context, c *client.Client, document *state.Document) ([]importer.Finding, error) {
	var findings []importer.Finding
	for _, s := range document.Subjects {
		if s.Ref.Kind != subject.Group || s.Ref.BuiltIn() || len(s.Permissions) == 0 {
			continue
		}
		var others []string
		for member, err := range c.Members(ctx, s.Ref, client.ListOptions{}) {
			if errors.Is(err, client.ErrNotFound) {
				break
			}
			if err != nil {
				return nil, err
			}
			if !slices.Contains(s.Members, member.Ref()) {
				others = append(others, member.Ref().String())
			}
		}
		if len(others) > 0 {
			findings = append(findings, importer.Finding{
				Severity: importer.Warning, What: s.Ref.String(),
				Why: "it exists already, and these members, which the file does not name, would get its rights too: " + printable.Clip(strings.Join(others, ", ")),
			})
		}
	}
	return findings, nil
}
