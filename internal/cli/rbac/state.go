package rbac

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/state"
)

func (r *rbac) exportCommand() *cobra.Command {
	var schema bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write users, robots, groups, members, permissions, issuers and bindings as one document",
		Long: `Write users, robots, groups, members, permissions, issuers and bindings as one YAML document,
or with -o json as JSON. It holds no secrets. 'plan' compares such a document with the server, 'apply'
makes the server what it says.`,
		Example: `  dockit rbac export > state.yaml
  dockit rbac export -o json
  dockit rbac export --schema > dockit-state.schema.json`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&schema, "schema", false, "write the JSON Schema of such documents instead; needs no server")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if schema {
			_, err := cmd.OutOrStdout().Write(state.Schema())
			return err
		}
		c, p, err := r.connect(cmd)
		if err != nil {
			return err
		}
		written := state.YAML
		switch p.Format {
		case cli.FormatJSON:
			written = state.JSON
		case cli.FormatName:
			return cli.Usagef("-o name: an export is written as yaml or json")
		default:
		}
		m := p.Meter("exporting, bytes:", 0, true)
		defer m.Finish()
		return c.ExportState(cmd.Context(), written, io.MultiWriter(p.Out, m))
	}
	return cmd
}

// documentFlags name a document and say how far it reaches.
type documentFlags struct {
	file  string
	prune bool
}

func (d *documentFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&d.file, "file", "f", "", "`file` with the document, - for standard input")
	cmd.Flags().BoolVar(&d.prune, "prune", false, "remove the users, robots, groups, issuers and bindings that the document does not list")
}

// open opens and checks the document: mistakes are reported with their lines before
// anything is sent. How large it may be is for the server to say.
func (d *documentFlags) open(cmd *cobra.Command) (*cli.Document, error) {
	if d.file == "" {
		return nil, cli.Usagef("no document: name its file with --file, - for standard input")
	}
	content, err := cli.OpenDocument(cmd, d.file)
	if err != nil {
		return nil, err
	}
	if err := content.Check(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", d.file, err), content.Close())
	}
	return content, nil
}

// readInput reads a file, or standard input for -.
func readInput(cmd *cobra.Command, path string, most int64) ([]byte, error) {
	in := cmd.InOrStdin()
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if int64(len(content)) > most {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, most>>20)
	}
	return content, nil
}

func (r *rbac) planCommand() *cobra.Command {
	var d documentFlags
	cmd := &cobra.Command{
		Use:   "plan -f FILE",
		Short: "Show what applying a document would change, like a diff",
		Long: `Show what 'apply' of a document would change, like a diff. Nothing is changed.

Exit codes: 0 the server is what the document says, 2 it differs, 1 failed.`,
		Example: `  dockit rbac plan -f state.yaml
  dockit rbac export | dockit rbac plan --prune -f -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, p, err := r.sendDocument(cmd, &d, "planning", (*client.Client).PlanState)
			if err != nil {
				return failed(err)
			}
			if err := printPlan(p, plan, "nothing would change", "would be"); err != nil {
				return failed(err)
			}
			if plan.Created+plan.Updated+plan.Removed > 0 {
				return &cli.Answer{Code: 2}
			}
			return nil
		},
	}
	d.register(cmd)
	return cmd
}

// failed keeps an error from exiting with 2, which has another meaning here.
func failed(err error) error {
	if usage, ok := errors.AsType[*cli.WrongUsage](err); ok {
		return usage.Err
	}
	return err
}

func (r *rbac) applyCommand() *cobra.Command {
	var (
		d   documentFlags
		tag string
	)
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make the server what a document says, all of it or nothing",
		Long: `Make the server what a document says, in one transaction: all of it or nothing. Subjects
that the document lists get exactly its members and permissions; those that it does not
list stay as they are, unless --prune removes them. Applying twice changes nothing.

The keys of new issuers are fetched then. One that is away is trusted all the same, and told
of on standard error.

Passwords stay. A new user has none before 'change-password' sets one, unless the document
brings a password_hash.

With --if-match, the tag that 'plan -o json' shows, nothing is done but what that plan said:
whatever somebody else changes in between makes it fail.`,
		Example: `  dockit rbac apply -f state.yaml
  dockit rbac apply -f state.yaml --if-match "$(dockit rbac plan -f state.yaml -o json | jq -r .tag)"
  dockit rbac apply --prune -f - < state.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, p, err := r.sendDocument(cmd, &d, "applying", func(c *client.Client, ctx context.Context, document io.Reader, options state.Options) (adminapi.Plan, error) {
				return c.ApplyPlanned(ctx, document, options, tag)
			})
			if err != nil {
				return err
			}
			return printPlan(p, plan, "nothing to change", "were")
		},
	}
	d.register(cmd)
	cmd.Flags().StringVar(&tag, "if-match", "", "do only what the plan with this `tag` said")
	return cmd
}

type sendFunc func(c *client.Client, ctx context.Context, document io.Reader, options state.Options) (adminapi.Plan, error)

func (r *rbac) sendDocument(cmd *cobra.Command, d *documentFlags, doing string, send sendFunc) (adminapi.Plan, *cli.Printer, error) {
	if d.file == "-" && r.login.PasswordStdin {
		return adminapi.Plan{}, nil, cli.Usagef("standard input cannot hold both the document and the password: set DOCKIT_PASSWORD_FILE")
	}
	content, err := d.open(cmd)
	if err != nil {
		return adminapi.Plan{}, nil, err
	}
	defer content.Close()
	c, p, err := r.connect(cmd)
	if err != nil {
		return adminapi.Plan{}, nil, err
	}
	m := p.Meter(fmt.Sprintf("%s %d bytes, seconds:", doing, content.Size), 0, false)
	defer m.Finish()
	defer m.Clock()()
	plan, err := send(c, cmd.Context(), content, state.Options{Prune: d.prune})
	if err == nil {
		printNotes(cmd, append(planNotes(plan), plan.Warnings...))
		for _, away := range plan.Away {
			cli.Warnf(cmd.ErrOrStderr(), "Warning: the issuer %s is trusted, and away: %s", away.Issuer, away.Why)
		}
	}
	return plan, p, err
}

// printPlan shows a plan like a diff, and counts.
func printPlan(p *cli.Printer, plan adminapi.Plan, nothing, were string) error {
	if p.Format == cli.FormatName {
		for _, change := range plan.Changes {
			p.Line(change.Subject.String())
		}
		for _, change := range plan.Issuers {
			p.Line("issuer:" + change.Name)
		}
		for _, change := range plan.Bindings {
			p.Line("binding:" + change.Name)
		}
		return nil
	}
	return p.One(plan, "", func() {
		shown := state.Plan{Changes: plan.Changes, Issuers: plan.Issuers, Bindings: plan.Bindings}
		if shown.Empty() {
			if !p.Quiet {
				p.Line(nothing)
			}
			return
		}
		for line := range shown.Lines() {
			p.Raw(p.Coloured(line.Mark, printable.Text(line.String())))
		}
		if !p.Quiet {
			p.Line("")
			p.Line(fmt.Sprintf("%d %s created, %d changed, %d removed", plan.Created, were, plan.Updated, plan.Removed))
		}
	})
}
