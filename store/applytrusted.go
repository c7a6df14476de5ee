package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// tryPlan carries out a plan, and takes it back: what bindings are refused for
// depends on what their robots may do then. A database that takes no change does
// not keep anybody from seeing the plan.
func (s *Store) tryPlan(ctx context.Context, wanted *state.Document, o state.Options, plan state.Plan) (state.Plan, error) {
	tried := plan
	err := s.write(ctx, func(tx *sql.Tx) error {
		var ids map[subject.Ref]int64
		var err error
		if tried, ids, err = planState(ctx, tx, wanted, s.bounded(o)); err != nil {
			return err
		}
		a := &stateApplier{Store: s, tx: tx, ids: ids, statements: map[string]*sql.Stmt{}}
		defer a.close()
		if err := a.apply(ctx, &tried); err != nil {
			return err
		}
		return errTried
	})
	switch {
	case errors.Is(err, errTried):
		return tried, nil
	case errors.Is(err, federation.ErrUnprotected), errors.Is(err, federation.ErrNoOwner), errors.Is(err, ErrTooMany), errors.Is(err, state.ErrConflict):
		return plan, err
	}
	s.logger.Info("a plan was not tried", zap.Error(err))
	return plan, nil
}

// trustReasons says for what of issuers and bindings a token is not enough. To
// disable one it is.
func trustReasons(plan state.Plan) []string {
	var reasons []string
	for _, c := range plan.Issuers {
		if c.Issuer != nil && !onlyDisabled(c) {
			reasons = append(reasons, "trust the issuer "+c.Name)
		}
	}
	for _, c := range plan.Bindings {
		if c.Binding != nil && !onlyDisabled(c) {
			reasons = append(reasons, "let tokens of the issuer "+c.Binding.Issuer+" stand for "+c.Binding.Robot.String())
		}
	}
	return reasons
}

func onlyDisabled(c state.TrustChange) bool {
	return c.Action == state.Update && len(c.Remove) == 0 && len(c.Add) == 1 && c.Add[0] == "disabled"
}

// removeTrusted removes bindings and issuers, bindings first: they would go with
// their issuers and robots, and no administrator would know.
func (a *stateApplier) removeTrusted(ctx context.Context, plan state.Plan) error {
	for _, c := range plan.Bindings {
		if c.Action != state.Remove {
			continue
		}
		current, err := readBinding(ctx, a.tx, c.Name)
		before := bindingState(current.Binding)
		if err == nil {
			before.EndedSessions, err = endSessionsOf(ctx, a.tx, sessionsOfBinding, current.ID)
		}
		if err == nil {
			_, err = a.exec(ctx, "DELETE FROM bindings WHERE id = ?", current.ID)
		}
		if err == nil {
			err = a.keepNamed(ctx, audit.BindingName(c.Name), before, nil)
		}
		if err != nil {
			return fmt.Errorf("binding %s: %w", c.Name, err)
		}
	}
	for _, c := range plan.Issuers {
		if c.Action != state.Remove {
			continue
		}
		current, err := readIssuer(ctx, a.tx, c.Name)
		before := issuerState(current.Issuer)
		if err == nil {
			before.EndedSessions, err = endSessionsOf(ctx, a.tx, sessionsOfIssuer, current.ID)
		}
		if err == nil {
			_, err = a.exec(ctx, "DELETE FROM issuers WHERE id = ?", current.ID)
		}
		if err == nil {
			err = a.keepNamed(ctx, audit.IssuerName(c.Name), before, nil)
		}
		if err != nil {
			return fmt.Errorf("issuer %s: %w", c.Name, err)
		}
	}
	return nil
}

// putTrusted makes and changes issuers and bindings, once all rights are what they
// will be, and adds to the plan what there is to know about that.
func (a *stateApplier) putTrusted(ctx context.Context, plan *state.Plan) error {
	for _, c := range plan.Issuers {
		if c.Issuer == nil {
			continue
		}
		if err := a.putIssuer(ctx, c); err != nil {
			return fmt.Errorf("issuer %s: %w", c.Name, err)
		}
	}
	for _, c := range plan.Bindings {
		if c.Binding == nil {
			continue
		}
		warnings, err := a.putBinding(ctx, c)
		if err != nil {
			return fmt.Errorf("binding %s: %w", c.Name, err)
		}
		for _, w := range warnings {
			plan.Warnings = append(plan.Warnings, string(w))
		}
	}
	if err := a.judgeOthers(ctx, plan); err != nil {
		return err
	}
	if !givesMore(*plan) {
		return nil
	}
	warnings, err := unprotected(ctx, a.tx, "1 = 1")
	for _, w := range warnings {
		plan.Warnings = append(plan.Warnings, string(w))
	}
	return err
}

// judgeOthers judges the bindings of issuers that change, beside those that change as
// well: the party the issuer signs for by now may be a stranger. What only its author may
// not want is told.
func (a *stateApplier) judgeOthers(ctx context.Context, plan *state.Plan) error {
	judged := make(map[string]bool, len(plan.Bindings))
	for _, c := range plan.Bindings {
		judged[c.Name] = c.Binding != nil
	}
	for _, c := range plan.Issuers {
		if c.Issuer == nil || c.Action == state.Create || onlyDisabled(c) {
			continue
		}
		bindings, err := collect(ctx, a.tx, scanBinding, "SELECT "+bindingColumns+" FROM "+bindingTables+" WHERE b.disabled = 0 AND i.name = ? ORDER BY b.name", c.Name)
		if err != nil {
			return fmt.Errorf("list the bindings of the issuer %s: %w", c.Name, err)
		}
		for _, b := range bindings {
			if judged[b.Name] {
				continue
			}
			_, err := judge(ctx, a.tx, *c.Issuer, b.Binding, b.RobotID)
			switch {
			case errors.Is(err, federation.ErrUnprotected):
				plan.Warnings = append(plan.Warnings, err.Error())
			case err != nil:
				return fmt.Errorf("issuer %s: %w", c.Name, err)
			}
		}
	}
	return nil
}

func (a *stateApplier) putIssuer(ctx context.Context, c state.TrustChange) error {
	if c.Action == state.Create {
		if _, err := a.insertIssuer(ctx, a.tx, *c.Issuer); err != nil {
			return err
		}
		return a.keepNamed(ctx, audit.IssuerName(c.Name), nil, issuerState(*c.Issuer))
	}
	current, err := readIssuer(ctx, a.tx, c.Name)
	if err != nil {
		return err
	}
	before := issuerState(current.Issuer)
	if before.EndedSessions, err = a.updateIssuer(ctx, a.tx, current, *c.Issuer); err != nil {
		return err
	}
	return a.keepNamed(ctx, audit.IssuerName(c.Name), before, issuerState(*c.Issuer))
}

func (a *stateApplier) putBinding(ctx context.Context, c state.TrustChange) ([]federation.Warning, error) {
	issuer, err := readIssuer(ctx, a.tx, c.Binding.Issuer)
	if err != nil {
		return nil, err
	}
	robot, err := readSubject(ctx, a.tx, c.Binding.Robot)
	if err != nil {
		return nil, err
	}
	warnings, err := judge(ctx, a.tx, issuer.Issuer, *c.Binding, robot.ID)
	if err != nil && !onlyDisabled(c) {
		return nil, err
	}
	current, err := readBinding(ctx, a.tx, c.Name)
	switch {
	case errors.Is(err, ErrNotFound): // or it went with the issuer or robot that it had
		if _, err := a.insertBinding(ctx, a.tx, *c.Binding, issuer.ID, robot.ID); err != nil {
			return nil, err
		}
		return warnings, a.keepNamed(ctx, audit.BindingName(c.Name), nil, bindingState(*c.Binding))
	case err != nil:
		return nil, err
	}
	before := bindingState(current.Binding)
	if before.EndedSessions, err = a.updateBinding(ctx, a.tx, current, *c.Binding, issuer.ID, robot.ID); err != nil {
		return nil, err
	}
	return warnings, a.keepNamed(ctx, audit.BindingName(c.Name), before, bindingState(*c.Binding))
}

// givesMore reports whether a plan may let a robot push that did not.
func givesMore(plan state.Plan) bool {
	for _, c := range plan.Changes {
		if len(c.AddMembers) > 0 || c.Disabled != nil && !*c.Disabled {
			return true
		}
		for _, p := range c.Grant {
			if p.Actions&(access.Push|access.Delete) != 0 {
				return true
			}
		}
	}
	return false
}
