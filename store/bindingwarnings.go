package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/subject"
)

// maxJudged is how many bindings are judged after one grant.
const maxJudged = 200

// BindingWarnings says what there is to know about one binding now: its robot may
// have been given more since it was made.
func (s *Store) BindingWarnings(ctx context.Context, b Binding) ([]federation.Warning, error) {
	issuer, err := s.Issuer(ctx, b.Issuer)
	if err != nil {
		return nil, err
	}
	return s.warningsOf(ctx, issuer.Issuer, b)
}

// warningsOf says as a warning what a binding would be refused for.
func (s *Store) warningsOf(ctx context.Context, issuer federation.Issuer, b Binding) ([]federation.Warning, error) {
	warnings, err := judge(ctx, s.reader, issuer, b.Binding, b.RobotID)
	if errors.Is(err, federation.ErrUnprotected) || errors.Is(err, federation.ErrNoOwner) {
		return append(warnings, federation.Warning(err.Error())), nil
	}
	return warnings, err
}

// UnprotectedBy says which bindings would be refused now, of those whose robots a
// permission of a subject concerns: the robot itself, the members of a group, or
// all. It looks at the first of many.
func (s *Store) UnprotectedBy(ctx context.Context, ref subject.Ref) ([]federation.Warning, error) {
	condition, args := "s.name = ? AND s.kind = ?", []any{ref.Name, ref.Kind}
	switch {
	case ref.BuiltIn():
		condition, args = "1 = 1", nil
	case ref.Kind == subject.User:
		return nil, nil // it stands for no token
	case ref.Kind == subject.Group:
		condition = "b.subject_id IN (SELECT m.member_id FROM memberships m JOIN subjects g ON g.id = m.group_id WHERE g.name = ? AND g.kind = ?)"
	}
	return unprotected(ctx, s.reader, condition, args...)
}

// unprotected says which bindings would be refused now, of those that a condition
// on b and s is true of.
func unprotected(ctx context.Context, q queryer, condition string, args ...any) ([]federation.Warning, error) {
	bindings, err := collect(ctx, q, scanBinding,
		"SELECT "+bindingColumns+" FROM "+bindingTables+" WHERE b.disabled = 0 AND b.allow_unprotected = 0 AND "+condition+" ORDER BY b.name LIMIT ?",
		append(args, maxJudged)...)
	switch {
	case err != nil:
		return nil, fmt.Errorf("list bindings to judge: %w", err)
	case len(bindings) == 0:
		return nil, nil
	}
	issuers, err := readIssuers(ctx, q)
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]federation.Issuer, len(issuers))
	for _, issuer := range issuers {
		byID[issuer.ID] = issuer.Issuer
	}
	var warnings []federation.Warning
	for _, b := range bindings {
		_, err := judge(ctx, q, byID[b.IssuerID], b.Binding, b.RobotID)
		switch {
		case errors.Is(err, federation.ErrUnprotected), errors.Is(err, federation.ErrNoOwner):
			warnings = append(warnings, federation.Warning(err.Error()))
		case err != nil:
			return nil, err
		}
	}
	return warnings, nil
}
