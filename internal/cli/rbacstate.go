package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/state"
)

func (r *rbac) exportCommand() *cobra.Command {
	var schema bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write users, robots, groups, members and permissions as one document",
		Long: `Write users, robots, groups, members and permissions as one YAML document, or with -o json
as JSON. It holds no secrets. 'plan' compares such a document with the server, 'apply'
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
		switch p.format {
		case formatJSON:
			written = state.JSON
		case formatName:
			return usagef("-o name: an export is written as yaml or json")
		default:
		}
		m := p.meter("exporting, bytes:", 0, true)
		defer m.finish()
		return c.ExportState(cmd.Context(), written, io.MultiWriter(p.out, m))
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
	cmd.Flags().BoolVar(&d.prune, "prune", false, "remove the users, robots and groups that the document does not list")
}

// open opens and checks the document: mistakes are told with their lines before
// anything is sent. How large it may be is for the server to say.
func (d *documentFlags) open(cmd *cobra.Command) (*document, error) {
	if d.file == "" {
		return nil, usagef("no document: name its file with --file, - for standard input")
	}
	content, err := openDocument(cmd, d.file)
	if err != nil {
		return nil, err
	}
	if err := content.check(); err != nil {
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
			if len(plan.Changes) > 0 {
				return &answer{code: 2}
			}
			return nil
		},
	}
	d.register(cmd)
	return cmd
}

// failed keeps an error from exiting with 2, which has another meaning here.
func failed(err error) error {
	if usage, ok := errors.AsType[*usageError](err); ok {
		return usage.err
	}
	return err
}

func (r *rbac) applyCommand() *cobra.Command {
	var d documentFlags
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make the server what a document says, all of it or nothing",
		Long: `Make the server what a document says, in one transaction: all of it or nothing. Subjects
that the document lists get exactly its members and permissions; those that it does not
list stay as they are, unless --prune removes them. Applying twice changes nothing.

Passwords stay. A new user has none before 'change-password' sets one, unless the document
brings a password_hash.`,
		Example: `  dockit rbac apply -f state.yaml
  dockit rbac apply --prune -f - < state.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, p, err := r.sendDocument(cmd, &d, "applying", (*client.Client).ApplyState)
			if err != nil {
				return err
			}
			return printPlan(p, plan, "nothing to change", "were")
		},
	}
	d.register(cmd)
	return cmd
}

type sendFunc func(c *client.Client, ctx context.Context, document io.Reader, options state.Options) (adminapi.Plan, error)

func (r *rbac) sendDocument(cmd *cobra.Command, d *documentFlags, doing string, send sendFunc) (adminapi.Plan, *printer, error) {
	if d.file == "-" && r.login.passwordStdin {
		return adminapi.Plan{}, nil, usagef("standard input cannot hold both the document and the password: set DOCKIT_PASSWORD_FILE")
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
	m := p.meter(fmt.Sprintf("%s %d bytes, seconds:", doing, content.size), 0, false)
	defer m.finish()
	defer m.clock()()
	plan, err := send(c, cmd.Context(), content, state.Options{Prune: d.prune})
	if err == nil {
		printNotes(cmd, planNotes(plan))
	}
	return plan, p, err
}

// printPlan shows a plan like a diff, and counts.
func printPlan(p *printer, plan adminapi.Plan, nothing, were string) error {
	if p.format == formatName {
		for _, change := range plan.Changes {
			p.line(change.Subject.String())
		}
		return nil
	}
	return p.one(plan, "", func() {
		if len(plan.Changes) == 0 {
			if !p.quiet {
				p.line(nothing)
			}
			return
		}
		for line := range (state.Plan{Changes: plan.Changes}).Lines() {
			p.raw(p.coloured(line.Mark, printable.Text(line.String())))
		}
		if !p.quiet {
			p.line("")
			p.line(fmt.Sprintf("%d %s created, %d changed, %d removed", plan.Created, were, plan.Updated, plan.Removed))
		}
	})
}

// coloured shows what comes in green and what goes in red, where colours are
// wanted.
func (p *printer) coloured(mark rune, line string) string {
	const green, red, plain = "\x1b[32m", "\x1b[31m", "\x1b[0m"
	switch {
	case !p.colour:
		return line
	case mark == '+':
		return green + line + plain
	case mark == '-':
		return red + line + plain
	default:
		return line
	}
}
