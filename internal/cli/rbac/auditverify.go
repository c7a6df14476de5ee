package rbac

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/pki"
)

// verifiedAudit is what 'audit verify' found.
type verifiedAudit struct {
	audit.Head
	// From is the first entry that is left, and CutUntil when the last of those
	// that were cut was made. Both are absent when nothing was cut.
	From     int64     `json:"from,omitempty"`
	CutUntil time.Time `json:"cut_until,omitzero"`
}

func (r *rbac) auditVerifyCommand() *cobra.Command {
	var expect, authorities string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that no entry of the audit was removed or altered",
		Long: `Read the whole audit and check that no entry was removed or altered: each holds a hash of
its content and of the entry before. Exit code 0 when the chain holds, 1 when it is broken.

Where old entries were cut (see --audit-keep of api-server), a checkpoint says so, signed by
a key of Dockit: the chain is followed from there, and from when on is printed.

Whoever may write to the database can write the whole chain anew. Against that, keep the
head that this command prints somewhere else, and pass it with --expect another day.`,
		Example: `  dockit rbac audit verify
  dockit rbac audit verify --quiet -o name >> heads.txt
  dockit rbac audit verify --expect "$(tail -n 1 heads.txt)"
  dockit rbac audit verify --authorities /etc/registry/bundle.pem`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&expect, "expect", "", "a `head` printed earlier, which the chain must still hold")
	cmd.Flags().StringVar(&authorities, "authorities", "", "PEM `file` with the authorities that may have signed where the audit was cut (default those of the server)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var known audit.Head
		if expect != "" {
			var err error
			if known, err = audit.ParseHead(expect); err != nil {
				return cli.UsageError(err)
			}
		}
		c, p, err := r.connect(cmd)
		if err != nil {
			return err
		}
		trusted, err := trustedAuthorities(cmd.Context(), c, authorities)
		if err != nil {
			return err
		}
		found, cut, err := verifyAudit(cmd.Context(), c, p, trusted, known)
		if err != nil {
			return err
		}
		if cut {
			cli.Warnf(cmd.ErrOrStderr(), "Warning: the entry %d of --expect was cut because of its age: nothing speaks against it, and it cannot be compared. Keep a newer head", known.Sequence)
		}
		return p.One(found, found.String(), func() {
			if found.From == 0 {
				p.Line(fmt.Sprintf("the chain holds: %d entries", found.Sequence))
			} else {
				p.Line(fmt.Sprintf("the chain holds: %d entries, from %d on", found.Sequence-found.From+1, found.From))
				p.Line(fmt.Sprintf("cut because of their age: entries 1 to %d, until %s", found.From-1, found.CutUntil.Local().Format(time.DateTime)))
			}
			p.Line("head: " + found.String())
		})
	}
	return cmd
}

// trustedAuthorities are the fingerprints of those in a file or, without one, of
// those that the server has.
func trustedAuthorities(ctx context.Context, c *client.Client, file string) ([]string, error) {
	var trusted []string
	if file == "" {
		for key, err := range c.Keys(ctx) {
			if err != nil {
				return nil, err
			}
			if key.RevokedAt.IsZero() && key.State != string(pki.Unused) && (key.Purpose == string(pki.Authority) || key.External) {
				trusted = append(trusted, key.Fingerprint)
			}
		}
		return trusted, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the authorities: %w", err)
	}
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		trusted = append(trusted, audit.Fingerprint(block.Bytes))
	}
	if len(trusted) == 0 {
		return nil, fmt.Errorf("%s holds no certificate: name the bundle that 'dockit init-container' wrote", file)
	}
	return trusted, nil
}

// errCutMeanwhile is returned when the audit is cut while it is read.
var errCutMeanwhile = errors.New("the audit was cut meanwhile: try again")

// verifyAudit follows the chain from where it was cut to its end, past an entry
// that is known. It reports whether that one was cut.
func verifyAudit(ctx context.Context, c *client.Client, p *cli.Printer, trusted []string, known audit.Head) (verifiedAudit, bool, error) {
	const attempts = 3 // it is cut once a day
	for attempt := 1; ; attempt++ {
		found, cut, err := verifyAuditOnce(ctx, c, p, trusted, known)
		if !errors.Is(err, errCutMeanwhile) || attempt == attempts {
			return found, cut, err
		}
	}
}

func verifyAuditOnce(ctx context.Context, c *client.Client, p *cli.Printer, trusted []string, known audit.Head) (verifiedAudit, bool, error) {
	fail := func(err error) (verifiedAudit, bool, error) {
		return verifiedAudit{}, false, fmt.Errorf("the audit is broken: %w", err)
	}
	// The head is read first: the chain may grow in the meantime, not shrink.
	head, err := c.AuditHead(ctx)
	if err != nil {
		return verifiedAudit{}, false, err
	}
	checkpoints, err := readCheckpoints(ctx, c)
	if errors.Is(err, audit.ErrCheckpoint) {
		return fail(err)
	}
	if err != nil {
		return verifiedAudit{}, false, err
	}
	last, statement := checkpoints.Last()
	if statement != "" {
		if _, err := statement.Verify(trusted); err != nil {
			return fail(fmt.Errorf("%w: if that authority was in use then, name a file that holds it with --authorities", err))
		}
	}
	cut, err := checkpoints.Cut(known)
	if err != nil {
		return fail(err)
	}
	if head.Sequence < last.Sequence {
		again, err := c.AuditHead(ctx)
		if err != nil {
			return verifiedAudit{}, false, err
		}
		head = again // the audit was cut in between
	}
	marks := []audit.Head{head}
	if !cut {
		marks = append(marks, known)
	}
	m := p.Meter("verifying", head.Sequence-last.Sequence, false)
	defer m.Finish()
	chain := checkpoints.Chain()
	for e, err := range cli.Counted(m, c.Audit(ctx, client.AuditOptions{})) {
		if err != nil {
			return verifiedAudit{}, false, err
		}
		if err := chain.Next(e); err != nil {
			if now, cerr := readCheckpoints(ctx, c); cerr == nil && now.Count() > checkpoints.Count() {
				return verifiedAudit{}, false, errCutMeanwhile
			}
			return fail(err)
		}
		for _, mark := range marks {
			if e.Sequence == mark.Sequence {
				if err := chain.End(mark); err != nil {
					return fail(err)
				}
			}
		}
	}
	for _, mark := range marks {
		if err := chain.End(mark); err != nil {
			return fail(err)
		}
	}
	found := verifiedAudit{Head: chain.Head()}
	if statement != "" {
		found.From, found.CutUntil = last.Sequence+1, last.Until
	}
	return found, cut, nil
}

func readCheckpoints(ctx context.Context, c *client.Client) (*audit.Checkpoints, error) {
	checkpoints := new(audit.Checkpoints)
	for one, err := range c.AuditCheckpoints(ctx) {
		if err == nil {
			err = checkpoints.Next(one.Statement)
		}
		if err != nil {
			return nil, err
		}
	}
	return checkpoints, nil
}
