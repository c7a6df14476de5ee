package rbac

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/subject"
)

// followInterval is how often a follower asks for new entries.
const followInterval = 2 * time.Second

// auditFlags narrow a listing of the audit.
type auditFlags struct {
	since, until   string
	subject, actor string
	action         string
	follow         bool
}

func (r *rbac) auditCommand() *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "List what was changed by whom, or follow it",
		Long: `List what was changed over the admin API: when, by whom, from where, what, before and after.
Refused logins and requests are in it as well: one entry a minute for each subject and
network, with a count. Secrets never are.

With --follow, new entries are printed as they come, in JSON one on each line.`,
		Example: `  dockit rbac audit
  dockit rbac audit --since 7d --subject user:alice -o json
  dockit rbac audit --since 2026-01-01 --until 2026-02-01 --actor user:admin
  dockit rbac audit --action login-failed --follow
  dockit rbac audit verify`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := f.options(time.Now())
			if err != nil {
				return cli.UsageError(err)
			}
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			if f.follow {
				return followAudit(cmd, c, p, options)
			}
			return cli.PrintList(p, c.Audit(cmd.Context(), options), auditListing)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "24h", "only what happened since then: a `time` such as 2026-01-31 or 2026-01-31T12:00:00Z, or how long ago, such as 90m or 7d; 0 for everything")
	flags.StringVar(&f.until, "until", "", "only what happened before that `time`, written likewise")
	flags.StringVar(&f.subject, "subject", "", "only what was done to this `REF`, or to issuer:NAME or binding:NAME")
	flags.StringVar(&f.actor, "actor", "", "only what was done by this `REF`")
	flags.StringVar(&f.action, "action", "", "only what was done in this way, such as grant or login-failed")
	flags.BoolVarP(&f.follow, "follow", "f", false, "print new entries as they come, until interrupted")
	cmd.AddCommand(r.auditVerifyCommand())
	return cmd
}

func (f auditFlags) options(now time.Time) (client.AuditOptions, error) {
	o := client.AuditOptions{Action: audit.Action(f.action)}
	var errs [4]error
	o.Since, errs[0] = cli.ParseWhen(f.since, now)
	o.Until, errs[1] = cli.ParseWhen(f.until, now)
	o.Subject, errs[2] = optionalRef(f.subject)
	o.Actor, errs[3] = optionalRef(f.actor)
	return o, errors.Join(errs[:]...)
}

func optionalRef(s string) (subject.Ref, error) {
	if s == "" {
		return subject.Ref{}, nil
	}
	if _, err := audit.ParseName(s); err != nil {
		return subject.Ref{}, err
	}
	kind, name, _ := strings.Cut(s, ":") // of an issuer or a binding as well
	return subject.Ref{Kind: subject.Kind(kind), Name: name}, nil
}

// auditListing shows times of the place where one is.
var auditListing = cli.Listing[audit.Entry]{
	Header: []any{"time", "actor", "from", "action", "subject", "change"},
	Row: func(e audit.Entry) []any {
		return []any{e.At.Local().Format(time.DateTime), actorOf(e), e.Address, e.Action, e.Subject, changeOf(e)}
	},
	Name:  func(e audit.Entry) string { return fmt.Sprint(e.Sequence) },
	Empty: "nothing happened in that time",
}

func actorOf(e audit.Entry) string {
	switch {
	case e.Actor != "":
		return string(e.Actor)
	case e.Action.Refusal():
		return "?"
	default:
		return "(dockit)"
	}
}

// followAudit prints what is there and then what comes. A server that is away
// for a while ends it as little as silence does.
func followAudit(cmd *cobra.Command, c *client.Client, p *cli.Printer, options client.AuditOptions) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	lost := false
	for {
		err := followOnce(ctx, c, p, &options)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			lost = false
		case !transient(err):
			return err
		case !lost:
			lost = true
			cli.Warnf(cmd.ErrOrStderr(), "Warning: %v: trying again", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followInterval):
		}
	}
}

func followOnce(ctx context.Context, c *client.Client, p *cli.Printer, options *client.AuditOptions) error {
	for e, err := range c.Audit(ctx, *options) {
		if err != nil {
			return err
		}
		if err := p.Append(e, auditListing.Name(e), auditLine(e)); err != nil {
			return err
		}
		options.After = e.Sequence
	}
	return nil
}

func auditLine(e audit.Entry) string {
	return fmt.Sprintf("%s  %s  %s  %s  %s  %s", e.At.Local().Format(time.DateTime), actorOf(e), e.Address, e.Action, e.Subject, changeOf(e))
}

// transient reports whether the same request may pass later.
func transient(err error) bool {
	refused, ok := errors.AsType[*client.Error](err)
	return !ok || refused.Status >= 500
}
