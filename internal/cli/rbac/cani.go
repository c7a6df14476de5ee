package rbac

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/cli"
)

func (r *rbac) canICommand() *cobra.Command {
	return &cobra.Command{
		Use:   "can-i REF ACTIONS REPOSITORY",
		Short: "Say whether a subject may do something, and why",
		Long: `Say whether a subject may do something, and which permissions allow it, through which
group. The answer is also the exit code: 0 yes, 1 no. ACTIONS are pull, push and delete,
separated by commas, or *. Instead of a repository, registry:catalog stands for the list
of all repositories, with the actions *.`,
		Example: `  dockit rbac can-i user:alice push team/app
  dockit rbac can-i user:anonymous pull public/tool
  dockit rbac can-i robot:ci pull,delete team/app -o json
  dockit rbac can-i user:admin '*' registry:catalog`,
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := refArg(args[0])
			if err != nil {
				return err
			}
			actions, err := access.ParseActions(args[1])
			if err != nil {
				return cli.UsageError(err)
			}
			t, name, err := targetArg(args[2])
			if err != nil {
				return err
			}
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			d, err := c.Can(cmd.Context(), ref, t, name, actions)
			if err != nil {
				return err
			}
			if asks, hosted := access.WithoutHost(name); hosted && t == access.Repository {
				printNotes(cmd, []string{name + ": " + hostNote(asks)})
			}
			return printDecision(p, d, cmd.Parent().CommandPath())
		},
	}
}

func targetArg(arg string) (access.Type, string, error) {
	if name, ok := strings.CutPrefix(arg, "registry:"); ok && name == access.Catalog.Name {
		return access.Registry, name, nil
	}
	return access.Repository, arg, cli.UsageError(access.ValidateRepository(arg))
}

// printDecision answers. rbac is the command that others are named below.
func printDecision(p *cli.Printer, d adminapi.Decision, rbac string) error {
	err := p.One(d, yesNo(d.Allowed), func() {
		if d.Allowed && !p.Quiet {
			p.Line(fmt.Sprintf("yes: %s may %s", d.Subject, asked(d, d.Actions)))
			p.Line(reasons(d))
		}
	})
	if err != nil || d.Allowed {
		return err
	}
	no := &cli.Answer{Code: 1}
	if !p.Quiet {
		no.Text = refusal(d, rbac)
	}
	return no
}

func refusal(d adminapi.Decision, rbac string) string {
	if d.Disabled {
		return fmt.Sprintf("no: %s is disabled, so nothing that it was given counts\n  to change that: %s enable %[1]s", d.Subject, rbac)
	}
	lines := []string{fmt.Sprintf("no: nothing lets %s %s", d.Subject, asked(d, d.Missing))}
	if len(d.Because) > 0 {
		lines = append(lines, "of what was asked, this is allowed:", reasons(d))
	}
	if d.Nearest != nil {
		lines = append(lines, fmt.Sprintf("  nearest: %s  from: %s: %s", d.Nearest.Permission, origin(d.Subject, d.Nearest.Via), d.Nearest.Reason))
	}
	if d.Grant != nil {
		lines = append(lines, fmt.Sprintf("  to allow it: %s grant %s %s", rbac, d.Subject, quoted(d.Grant.String())))
	}
	return strings.Join(lines, "\n")
}

// quoted keeps a shell from looking for files.
func quoted(arg string) string {
	if strings.ContainsAny(arg, "*{}[]") {
		return "'" + arg + "'"
	}
	return arg
}

func asked(d adminapi.Decision, actions []string) string {
	if d.Type == access.Registry {
		return "list the catalog"
	}
	return strings.Join(actions, ", ") + " " + d.Name
}

func reasons(d adminapi.Decision) string {
	lines := make([]string, len(d.Because))
	for i, e := range d.Because {
		lines[i] = fmt.Sprintf("  %s  from: %s", e.Permission, origin(d.Subject, e.Via))
	}
	return strings.Join(lines, "\n")
}
