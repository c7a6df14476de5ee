package rbac

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/subject"
)

const (
	// completionTimeout is how long the user who pressed a key may wait.
	completionTimeout = 3 * time.Second
	// maxCompletions is how many names a shell is offered at most.
	maxCompletions = 100
)

// completer offers what may stand in place of what was typed so far.
type completer = cobra.CompletionFunc

// completeArguments says to the shell what the arguments and flags of every
// command below rbac are.
func (r *rbac) completeArguments(cmd *cobra.Command) {
	anyRef := r.completeRefs(subject.Kinds...)
	actor := r.completeRefs(subject.User, subject.Robot)
	group := r.completeRefs(subject.Group)
	permission := cobra.FixedCompletions([]string{"repository:", "namespace:", "registry:catalog:*"}, cobra.ShellCompDirectiveNoSpace|cobra.ShellCompDirectiveNoFileComp)
	actions := cobra.FixedCompletions([]string{"pull", "push", "delete", "pull,push", "*"}, cobra.ShellCompDirectiveNoFileComp)
	collections := cobra.FixedCompletions([]string{"users", "robots", "groups"}, cobra.ShellCompDirectiveNoFileComp)
	for name, arguments := range map[string][]completer{
		"remove":          {anyRef},
		"enable":          {anyRef},
		"disable":         {anyRef},
		"show":            {anyRef},
		"permissions":     {anyRef},
		"change-password": {r.completeRefs(subject.User)},
		"add-member":      {group, actor},
		"remove-member":   {group, actor},
		"list":            {collections},
		"grant":           {anyRef, permission},
		"revoke":          {anyRef, r.completeHeld},
		"can-i":           {anyRef, actions},
		"who-can":         {actions},
		"add":             {cobra.FixedCompletions([]string{"user:", "robot:", "group:"}, cobra.ShellCompDirectiveNoSpace|cobra.ShellCompDirectiveNoFileComp)},
		"export":          {},
		"audit":           {},
	} {
		if sub, _, err := cmd.Find([]string{name}); err == nil && sub != cmd {
			sub.ValidArgsFunction = inOrder(arguments)
		}
	}
	for path, arguments := range map[string][]completer{
		"token create":   {actor},
		"token list":     {actor},
		"token revoke":   {actor},
		"lockouts clear": {actor},
	} {
		if sub, _, err := cmd.Find(strings.Fields(path)); err == nil && sub != cmd {
			sub.ValidArgsFunction = inOrder(arguments)
		}
	}
	completeFlag(cmd, "output", "table", "json", "yaml", "name")
	if auditing, _, err := cmd.Find([]string{"audit"}); err == nil && auditing != cmd {
		_ = auditing.RegisterFlagCompletionFunc("subject", anyRef) // it fails for unknown flags only
		_ = auditing.RegisterFlagCompletionFunc("actor", anyRef)
		completeFlag(auditing, "action", actionNames()...)
	}
}

func completeFlag(cmd *cobra.Command, flag string, values ...string) {
	// It fails for unknown flags only.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

func actionNames() []string {
	names := make([]string, len(audit.Actions))
	for i, action := range audit.Actions {
		names[i] = string(action)
	}
	return names
}

// inOrder completes each argument in its place, and nothing after the last.
func inOrder(arguments []completer) completer {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= len(arguments) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return arguments[len(args)](cmd, args, typed)
	}
}

// completeRefs offers kinds first, and then the names of that kind that the
// server knows.
func (r *rbac) completeRefs(kinds ...subject.Kind) completer {
	return func(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		chosen, prefix, named := strings.Cut(typed, ":")
		var offers []cobra.Completion
		for _, kind := range kinds {
			switch {
			case named && string(kind) == chosen:
				return r.completeNames(cmd, kind, prefix), cobra.ShellCompDirectiveNoFileComp
			case !named && strings.HasPrefix(string(kind), chosen):
				offers = append(offers, string(kind)+":")
			}
		}
		return offers, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
}

func (r *rbac) completeNames(cmd *cobra.Command, kind subject.Kind, prefix string) []cobra.Completion {
	var names []cobra.Completion
	r.ask(cmd, func(ctx context.Context, c *client.Client) {
		for s, err := range c.Subjects(ctx, kind, client.ListOptions{Prefix: prefix, PageSize: maxCompletions}) {
			if err != nil || len(names) == maxCompletions {
				return
			}
			names = append(names, cobra.CompletionWithDesc(s.Ref().String(), describe(s)))
		}
	})
	return names
}

func describe(s adminapi.Subject) string {
	if s.Admin {
		return stateOf(s) + ", admin"
	}
	return stateOf(s)
}

// completeHeld offers what the subject before it was given.
func (r *rbac) completeHeld(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var held []cobra.Completion
	ref, err := subject.ParseRef(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	r.ask(cmd, func(ctx context.Context, c *client.Client) {
		for p, err := range c.Permissions(ctx, ref) {
			if err != nil || len(held) == maxCompletions {
				return
			}
			held = append(held, p.Permission.String())
		}
	})
	return held, cobra.ShellCompDirectiveNoFileComp
}

// ask speaks to the server without asking the user for anything. What goes
// wrong completes nothing, and is not shown: a line is being typed.
func (r *rbac) ask(cmd *cobra.Command, f func(ctx context.Context, c *client.Client)) {
	if cli.BindEnvironment(cmd) != nil || r.login.PasswordStdin {
		return
	}
	r.login.Silent = true
	cmd.SetErr(io.Discard)
	c, err := r.login.Client(cmd, false)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionTimeout)
	defer cancel()
	f(ctx, c)
}
