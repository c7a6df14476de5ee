package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/subject"
)

// AddMember puts a user or robot into a group and reports whether it was not
// in there before. Errors: [ErrNotFound], [ErrKind], [ErrBuiltIn].
func (s *Store) AddMember(ctx context.Context, group, member subject.Ref) (added bool, err error) {
	if err := checkMembership(group, member); err != nil {
		return false, err
	}
	err = s.changeMembership(ctx, group, member, func(tx *sql.Tx, groupID, memberID int64) error {
		var exists bool
		if err := tx.QueryRowContext(ctx,
			"SELECT EXISTS (SELECT 1 FROM memberships WHERE group_id = ? AND member_id = ?)", groupID, memberID).Scan(&exists); err != nil {
			return fmt.Errorf("look for %s in %s: %w", member, group, err)
		}
		if added = !exists; exists {
			return nil
		}
		if _, err := tx.ExecContext(ctx,
			"INSERT INTO memberships (group_id, member_id, created_at) VALUES (?, ?, ?)", groupID, memberID, timestamp(s.now())); err != nil {
			return fmt.Errorf("add %s to %s: %w", member, group, err)
		}
		return s.record(ctx, tx, audit.AddMember, group, nil, memberState(member))
	})
	return added, err
}

// RemoveMember takes a user or robot out of a group, or returns [ErrNotFound].
func (s *Store) RemoveMember(ctx context.Context, group, member subject.Ref) error {
	if err := checkMembership(group, member); err != nil {
		return err
	}
	return s.changeMembership(ctx, group, member, func(tx *sql.Tx, groupID, memberID int64) error {
		result, err := tx.ExecContext(ctx, "DELETE FROM memberships WHERE group_id = ? AND member_id = ?", groupID, memberID)
		if err != nil {
			return fmt.Errorf("remove %s from %s: %w", member, group, err)
		}
		if n, err := result.RowsAffected(); err != nil {
			return fmt.Errorf("remove %s from %s: %w", member, group, err)
		} else if n == 0 {
			return fmt.Errorf("%s is not a member of %s: %w", member, group, ErrNotFound)
		}
		return s.record(ctx, tx, audit.RemoveMember, group, memberState(member), nil)
	})
}

func checkMembership(group, member subject.Ref) error {
	switch {
	case group.Kind != subject.Group:
		return fmt.Errorf("%s is not a group: %w", group, ErrKind)
	case member.Kind == subject.Group:
		return fmt.Errorf("%s: groups have users and robots as members, no groups: %w", member, ErrKind)
	case group.BuiltIn():
		return fmt.Errorf("%s has everyone who logged in as member: %w", group, ErrBuiltIn)
	case member.BuiltIn():
		return fmt.Errorf("%s cannot be a member of a group: %w", member, ErrBuiltIn)
	}
	return nil
}

func (s *Store) changeMembership(ctx context.Context, group, member subject.Ref, f func(tx *sql.Tx, groupID, memberID int64) error) error {
	return s.change(ctx, func(tx *sql.Tx) (affected, error) {
		g, err := readSubject(ctx, tx, group)
		if err != nil {
			return nobody, err
		}
		m, err := readSubject(ctx, tx, member)
		if err != nil {
			return nobody, err
		}
		return affects(m), f(tx, g.ID, m.ID)
	})
}

// Members lists the members of a group by name.
func (s *Store) Members(ctx context.Context, group subject.Ref, page Page) ([]Subject, error) {
	g, err := s.Subject(ctx, group)
	if err != nil {
		return nil, err
	}
	members, known, err := s.searchMembers(ctx, g.ID, page)
	if !known {
		members, err = s.listMembers(ctx, g.ID, page)
	}
	if err != nil {
		return nil, fmt.Errorf("list members of %s: %w", group, err)
	}
	return members, nil
}

// listMembers sorts a small group as a whole. That would take ever longer for the
// pages of a large one, so there the names are gone through in their order.
func (s *Store) listMembers(ctx context.Context, groupID int64, page Page) ([]Subject, error) {
	large, err := s.isLarge(ctx, groupID)
	if err != nil {
		return nil, err
	}
	if large {
		return s.membersByName(ctx, groupID, page)
	}
	return s.membersSorted(ctx, groupID, page)
}

// CountMembers counts the members of a group on all pages together. [MaxCounted] of a
// narrowed listing are as many or more.
func (s *Store) CountMembers(ctx context.Context, group subject.Ref, page Page) (int, error) {
	g, err := s.Subject(ctx, group)
	if err != nil {
		return 0, err
	}
	count, known, err := s.countFoundMembers(ctx, g.ID, page)
	if !known {
		count, err = s.countMembers(ctx, g.ID, page)
	}
	if err != nil {
		return 0, fmt.Errorf("count members of %s: %w", group, err)
	}
	return count, nil
}

func (s *Store) countMembers(ctx context.Context, groupID int64, page Page) (count int, err error) {
	query, args := "SELECT COUNT(*) FROM memberships m WHERE m.group_id = ?", []any{groupID}
	if page.narrowed() {
		// As in membersByName: of whom it is not about, no membership is looked for.
		condition, narrowing := page.unpaged().condition()
		query = "SELECT COUNT(*) FROM (SELECT 1 FROM subjects s CROSS JOIN memberships m ON m.member_id = s.id WHERE m.group_id = ? AND " + condition + " LIMIT ?) few"
		args = append(append(args, narrowing...), MaxCounted)
	}
	err = s.reader.QueryRowContext(ctx, query, args...).Scan(&count)
	return count, err
}

func (s *Store) membersSorted(ctx context.Context, groupID int64, page Page) ([]Subject, error) {
	condition, args := page.condition()
	return collect(ctx, s.reader, scanSubject,
		"SELECT "+subjectColumns+" FROM memberships m JOIN subjects s ON s.id = m.member_id WHERE m.group_id = ? AND "+condition+" ORDER BY s.name LIMIT ?",
		append(append([]any{groupID}, args...), page.Limit)...)
}

// membersByName goes through the names of each kind by itself, so that it does
// not meet those of all groups first.
func (s *Store) membersByName(ctx context.Context, groupID int64, page Page) ([]Subject, error) {
	condition, args := page.condition()
	var members []Subject
	for _, kind := range []subject.Kind{subject.User, subject.Robot} {
		// SQLite keeps the order of a cross join.
		some, err := collect(ctx, s.reader, scanSubject,
			"SELECT "+subjectColumns+" FROM subjects s CROSS JOIN memberships m ON m.member_id = s.id"+
				" WHERE s.kind = ? AND m.group_id = ? AND "+condition+" ORDER BY s.name LIMIT ?",
			append(append([]any{kind, groupID}, args...), page.Limit)...)
		if err != nil {
			return nil, err
		}
		members = append(members, some...)
	}
	slices.SortFunc(members, func(a, b Subject) int { return strings.Compare(a.Ref.Name, b.Ref.Name) })
	return members[:min(len(members), page.Limit)], nil
}

// largeGroup is how many members make a group large; tests need fewer.
var largeGroup = 10_000

// isLarge reports whether a group has so many members that sorting them takes
// longer than finding the next ones among all names.
func (s *Store) isLarge(ctx context.Context, groupID int64) (bool, error) {
	var count int
	if err := s.reader.QueryRowContext(ctx,
		"SELECT COUNT(*) FROM (SELECT 1 FROM memberships WHERE group_id = ? LIMIT ?) few", groupID, largeGroup).Scan(&count); err != nil {
		return false, fmt.Errorf("count members: %w", err)
	}
	return count == largeGroup, nil
}

// Groups lists the groups that a user or robot was put into, by name.
func (s *Store) Groups(ctx context.Context, member subject.Ref) ([]Subject, error) {
	m, err := s.Subject(ctx, member)
	if err != nil {
		return nil, err
	}
	groups, err := collect(ctx, s.reader, scanSubject,
		"SELECT "+subjectColumns+" FROM memberships m JOIN subjects s ON s.id = m.group_id WHERE m.member_id = ? ORDER BY s.name", m.ID)
	if err != nil {
		return nil, fmt.Errorf("list groups of %s: %w", member, err)
	}
	return groups, nil
}
