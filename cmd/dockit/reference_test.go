package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/referencetest"
)

// TestReferenceOfCommands writes down every command, as its help has it, with each
// flag and its variable.
func TestReferenceOfCommands(t *testing.T) {
	var page strings.Builder
	page.WriteString("In a Caddy that is built with Dockit, the same commands stand under `caddy dockit`, but for `run`. " +
		"Variables of flags are listed [by their name](variables.md), too.\n")
	eachCommand(newCommand(), func(cmd *cobra.Command) {
		page.WriteString("\n## " + cmd.CommandPath() + "\n\n" + referencetest.Cell(cmd.Short) + ".\n")
		assert.NotEmpty(t, cmd.Short, cmd.CommandPath())
		page.WriteString("\n```text\n" + cmd.UseLine() + "\n")
		if cmd.Long != "" {
			page.WriteString("\n" + strings.TrimSpace(cmd.Long) + "\n")
		}
		if cmd.Example != "" {
			page.WriteString("\nExamples:\n" + strings.TrimRight(cmd.Example, "\n") + "\n")
		}
		page.WriteString("```\n")
		if own := flagsOf(cmd.LocalFlags()); len(own) > 0 {
			page.WriteString("\n" + referencetest.Head("flag", "variable", "default", "meaning"))
			for _, flag := range own {
				page.WriteString(flagRow(flag))
				assert.NotEmpty(t, flag.Usage, "%s --%s", cmd.CommandPath(), flag.Name)
			}
		}
		if len(flagsOf(cmd.InheritedFlags())) > 0 {
			page.WriteString("\nThe flags of `" + cmd.Parent().CommandPath() + "` hold here as well.\n")
		}
	})
	referencetest.Check(t, "../..", "commands.md", "Commands and flags", page.String())
}

// TestReferenceOfVariables writes down every environment variable.
func TestReferenceOfVariables(t *testing.T) {
	type use struct{ flag, commands []string }
	uses := make(map[string]*use)
	eachCommand(newCommand(), func(cmd *cobra.Command) {
		for _, flag := range flagsOf(cmd.LocalFlags()) {
			for _, name := range cli.Variables(flag) {
				if uses[name] == nil {
					uses[name] = new(use)
				}
				uses[name].commands = append(uses[name].commands, "`"+cmd.CommandPath()+"`")
				if what := "`--" + flag.Name + "`"; !slices.Contains(uses[name].flag, what) {
					uses[name].flag = append(uses[name].flag, what)
				}
			}
		}
	})
	var page strings.Builder
	page.WriteString("A flag wins over its variable. An empty variable counts as not set. Flags that are repeated take values separated by commas. " +
		"A variable that ends in `_FILE` names a file with the value; both at once are an error. What each flag means is in [commands](commands.md).\n\n")
	page.WriteString(referencetest.Head("variable", "sets", "of"))
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		of := uses[name].commands
		if most := 4; len(of) > most {
			of = append(of[:most:most], "…")
		}
		page.WriteString(referencetest.Row("`"+name+"`", strings.Join(uses[name].flag, ", "), strings.Join(of, ", ")))
	}
	page.WriteString("\n## Without a flag\n\n" + referencetest.Head("variable", "meaning"))
	for _, name := range slices.Sorted(maps.Keys(cli.OtherVariables)) {
		page.WriteString(referencetest.Row("`"+name+"`", referencetest.Cell(cli.OtherVariables[name])))
		assert.NotContains(t, uses, name)
	}
	referencetest.Check(t, "../..", "variables.md", "Environment variables", page.String())
}

// eachCommand visits a command and all below it, in the order of their help.
func eachCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	if cmd.Hidden {
		return
	}
	visit(cmd)
	for _, sub := range cmd.Commands() {
		eachCommand(sub, visit)
	}
}

func flagsOf(set *pflag.FlagSet) []*pflag.Flag {
	var flags []*pflag.Flag
	set.VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden && flag.Name != "help" {
			flags = append(flags, flag)
		}
	})
	return flags
}

func flagRow(flag *pflag.Flag) string {
	value, usage := pflag.UnquoteUsage(flag)
	name := "`--" + flag.Name
	if flag.Shorthand != "" {
		name = "`-" + flag.Shorthand + "`, " + name
	}
	if value != "" {
		name += " " + value
	}
	variables := ""
	if all := cli.Variables(flag); len(all) > 0 {
		variables = "`" + strings.Join(all, "`, `") + "`"
	}
	standard := flag.DefValue
	if standard == "[]" || flag.Value.Type() == "bool" && standard == "false" {
		standard = ""
	}
	return referencetest.Row(name+"`", variables, referencetest.Code(standard), referencetest.Cell(usage))
}
