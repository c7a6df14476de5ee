package store

import (
	"context"
	"strconv"
	"strings"

	"github.com/dockit-registry/dockit/subject"
)

// maxHits is how many ids a query names at most. What more names have is found soon by
// going through them.
const maxHits = 2 * MaxCounted

// searchSubjects is [Store.Subjects] by the names in memory. It reports whether that can
// be said by them.
func (s *Store) searchSubjects(ctx context.Context, kind subject.Kind, p Page) ([]Subject, bool, error) {
	most := maxHits + 1
	filtered := p.Admin != nil || p.Disabled != nil
	if !filtered {
		most = min(most, p.Limit)
	}
	hits, known := s.hits(ctx, p, most, kind)
	if !known || len(hits) > maxHits {
		return nil, false, nil
	}
	if len(hits) == 0 {
		return nil, true, nil
	}
	text, args := p.among(hits)
	found, err := collect(ctx, s.reader, scanSubject, foundQuery(text), append(args, kind, p.Limit)...)
	if err != nil {
		return nil, true, err
	}
	// Of one that was removed in between, the next one has the place.
	return found, filtered || len(found) == len(hits), nil
}

// foundQuery reads those of a kind that [Page.among] is about.
func foundQuery(among string) string {
	return "SELECT " + subjectColumns + " FROM subjects s WHERE " + among + " AND +s.kind = ? ORDER BY s.name LIMIT ?"
}

// countFound is [Store.CountSubjects] by the names in memory. Those are not read to count all.
func (s *Store) countFound(ctx context.Context, kind subject.Kind, p Page) (int, bool, error) {
	if !p.narrowed() && s.index.use() != nil {
		if known := s.names(ctx); known != nil {
			return len(known.byKind[kind]), true, nil
		}
	}
	hits, known := s.hits(ctx, p.unpaged(), maxHits+1, kind)
	filtered := p.Admin != nil || p.Disabled != nil
	switch {
	case !known:
		return 0, false, nil
	case !filtered || len(hits) == 0:
		return min(len(hits), MaxCounted), true, nil
	case len(hits) > maxHits:
		return 0, false, nil
	}
	text, args := p.among(hits)
	var count int
	err := s.reader.QueryRowContext(ctx, "SELECT COUNT(*) FROM subjects s WHERE "+text+" AND +s.kind = ?", append(args, kind)...).Scan(&count)
	return min(count, MaxCounted), true, err
}

// foundMembers are the members of a group among those whose names have what a page looks for.
const foundMembers = " FROM subjects s CROSS JOIN memberships m ON m.member_id = s.id WHERE "

// searchMembers is [Store.Members] by the names in memory.
func (s *Store) searchMembers(ctx context.Context, groupID int64, p Page) ([]Subject, bool, error) {
	hits, known := s.hits(ctx, p, maxHits+1, subject.User, subject.Robot)
	if !known || len(hits) > maxHits {
		return nil, false, nil
	}
	if len(hits) == 0 {
		return nil, true, nil
	}
	text, args := p.among(hits)
	found, err := collect(ctx, s.reader, scanSubject, foundMembersQuery(text), append(args, groupID, p.Limit)...)
	return found, true, err
}

// foundMembersQuery reads the members of a group that [Page.among] is about.
func foundMembersQuery(among string) string {
	return "SELECT " + subjectColumns + foundMembers + among + " AND m.group_id = ? ORDER BY s.name LIMIT ?"
}

// countFoundMembers is [Store.CountMembers] by the names in memory.
func (s *Store) countFoundMembers(ctx context.Context, groupID int64, p Page) (int, bool, error) {
	hits, known := s.hits(ctx, p.unpaged(), maxHits+1, subject.User, subject.Robot)
	if !known || len(hits) > maxHits {
		return 0, false, nil
	}
	if len(hits) == 0 {
		return 0, true, nil
	}
	text, args := p.among(hits)
	var count int
	err := s.reader.QueryRowContext(ctx, "SELECT COUNT(*)"+foundMembers+text+" AND m.group_id = ?", append(args, groupID)...).Scan(&count)
	return min(count, MaxCounted), true, err
}

// hits are the ids of those of some kinds whose names have what a page looks for, so many
// at most, and whether that is known.
func (s *Store) hits(ctx context.Context, p Page, most int, kinds ...subject.Kind) ([]int64, bool) {
	if p.Search == "" {
		return nil, false
	}
	known := s.names(ctx)
	if known == nil {
		return nil, false
	}
	var ids []int64
	for _, kind := range kinds {
		ids = append(ids, known.find(kind, p, most-len(ids))...)
	}
	return ids, true
}

// among restricts s to a page, of which these have the names. They are looked for by
// their ids: no other index is to be taken, for which the + stands.
func (p Page) among(hits []int64) (string, []any) {
	text, args := "s.id IN ("+idList(hits)+")", []any(nil)
	if p.Admin != nil {
		text, args = text+" AND +s.admin = ?", append(args, *p.Admin)
	}
	if p.Disabled != nil {
		text, args = text+" AND +s.disabled = ?", append(args, *p.Disabled)
	}
	return text, args
}

// idList are ids as a query has them, of which there are too many for parameters.
func idList(ids []int64) string {
	if len(ids) == 0 {
		return "NULL"
	}
	var text strings.Builder
	for i, id := range ids {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(strconv.FormatInt(id, 10))
	}
	return text.String()
}
