package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dockit-registry/dockit/subject"
)

const (
	// maxNameBytes bounds the names in memory, about: some 300,000 of them.
	maxNameBytes = 16 << 20
	// namesIdle is how long they are kept without a search.
	namesIdle = 10 * time.Minute
	// namesPatience is how long a search waits for the names to be brought up to date, and
	// turnPatience how long for another search that does so: after that the database
	// searches, on another connection if that one is silent.
	namesPatience = time.Second
	turnPatience  = 200 * time.Millisecond
	// maxNamesLoad bounds the time of reading all of them, and namesLoadTimes is how
	// much longer it is left alone after: where names are removed all the time, reading
	// them takes a tenth of it at most.
	maxNamesLoad   = time.Minute
	namesLoadTimes = 10
)

var (
	errManyNames = errors.New("more names than are kept in memory")
	// errNamesUnknown is returned when it is not known which names are gone.
	errNamesUnknown = errors.New("names are gone")
)

// nameIndex keeps the names of all subjects in memory while some are searched for: a
// part of a name that few have, or none, is looked for in all of them, and the database
// takes long for that.
type nameIndex struct {
	// turn has room for one who brings the names up to date.
	turn chan struct{}

	mu        sync.Mutex
	current   *knownNames // nil as long as they are not known
	loading   bool
	notBefore time.Time // they are not read as a whole
	idle      *time.Timer

	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup
}

func newNameIndex() *nameIndex {
	n := &nameIndex{turn: make(chan struct{}, 1)}
	n.ctx, n.stop = context.WithCancel(context.Background())
	n.idle = time.AfterFunc(namesIdle, n.forget)
	return n
}

func (n *nameIndex) close() {
	n.mu.Lock() // so that no reading begins after
	n.stop()
	n.idle.Stop()
	n.mu.Unlock()
	n.done.Wait()
}

func (n *nameIndex) forget() { n.set(nil) }

func (n *nameIndex) set(known *knownNames) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.current = known
}

// use returns the names that are known, for a search.
func (n *nameIndex) use() *knownNames {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ctx.Err() == nil {
		n.idle.Reset(namesIdle)
	}
	return n.current
}

// knownNames are the names as of a revision. They never change.
type knownNames struct {
	marks Marks
	// lastID is the largest id, and bytes is what they take.
	lastID int64
	bytes  int
	byKind map[subject.Kind][]knownName // by name
}

type knownName struct {
	name string
	id   int64
}

// size is what a name takes in memory, about.
func (k knownName) size() int {
	const entry = 40
	return entry + len(k.name)
}

func byName(k knownName, name string) int { return strings.Compare(k.name, name) }

// note counts one more name, or returns [errManyNames].
func (k *knownNames) note(one knownName) error {
	k.lastID = max(k.lastID, one.id)
	if k.bytes += one.size(); k.bytes > maxNameBytes {
		return errManyNames
	}
	return nil
}

// at reports whether the names are those of a revision.
func (k *knownNames) at(m Marks) bool {
	return k.marks.Revision == m.Revision && k.marks.Nonce == m.Nonce
}

// find returns the ids of those of a kind that a page may show by their names, so many
// at most.
func (k *knownNames) find(kind subject.Kind, p Page, most int) []int64 {
	all := k.byKind[kind]
	at, seen := slices.BinarySearchFunc(all, max(p.After, p.Prefix), byName)
	if seen && p.After >= p.Prefix {
		at++
	}
	search := strings.ToLower(p.Search)
	var ids []int64
	for _, one := range all[at:] {
		if len(ids) == most || !strings.HasPrefix(one.name, p.Prefix) {
			break
		}
		if strings.Contains(one.name, search) {
			ids = append(ids, one.id)
		}
	}
	return ids
}

// names are the names as they are now, on whatever node they were changed, or nil where
// those are not in memory. They are read then, for the next search.
func (s *Store) names(ctx context.Context) *knownNames {
	known := s.index.use()
	if known == nil {
		s.index.load(s)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, namesPatience)
	defer cancel()
	marks, err := s.Marks(ctx)
	if err != nil {
		return nil
	}
	if known.at(marks) {
		return known
	}
	select {
	case s.index.turn <- struct{}{}:
		defer func() { <-s.index.turn }()
	case <-time.After(turnPatience):
		return nil
	case <-ctx.Done():
		return nil
	}
	if known = s.index.use(); known == nil {
		return nil
	}
	// Another search may have brought them further than to those marks.
	if marks, err = s.Marks(ctx); err != nil {
		return nil
	}
	if known.at(marks) {
		return known
	}
	updated, err := s.updateNames(ctx, known, marks)
	switch {
	case err == nil:
		s.index.set(updated)
	case errors.Is(err, ErrOtherHistory), errors.Is(err, errNamesUnknown), errors.Is(err, errManyNames):
		s.index.forget()
		s.index.load(s)
	}
	return updated
}

// load reads all names, in the background.
func (n *nameIndex) load(s *Store) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.loading || n.ctx.Err() != nil || time.Now().Before(n.notBefore) {
		return
	}
	n.loading = true
	n.done.Go(func() {
		ctx, cancel := context.WithTimeout(n.ctx, maxNamesLoad)
		defer cancel()
		began := time.Now()
		known, err := s.readNames(ctx)
		n.mu.Lock()
		defer n.mu.Unlock()
		n.loading, n.current = false, known
		if n.notBefore = time.Now().Add(namesLoadTimes * time.Since(began)); errors.Is(err, errManyNames) {
			n.notBefore = time.Now().Add(namesIdle)
		}
	})
}

// readNames reads all names.
func (s *Store) readNames(ctx context.Context) (*knownNames, error) {
	marks, err := s.Marks(ctx) // first: the names may be newer, and not older
	if err != nil {
		return nil, err
	}
	known := &knownNames{marks: marks, byKind: map[subject.Kind][]knownName{}}
	rows, err := s.reader.QueryContext(ctx, "SELECT kind, id, name FROM subjects ORDER BY kind, name")
	if err != nil {
		return nil, fmt.Errorf("read all names: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var kind subject.Kind
		var one knownName
		if err := rows.Scan(&kind, &one.id, &one.name); err != nil {
			return nil, fmt.Errorf("read all names: %w", err)
		}
		known.byKind[kind] = append(known.byKind[kind], one)
		if err := known.note(one); err != nil {
			return nil, err
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read all names: %w", err)
	}
	return known, nil
}

// updateNames is what became of the names up to later marks. Most changes say which
// user or robot they concern, which may have come or gone; for the others it counts.
// Errors: [ErrOtherHistory], [errNamesUnknown], [errManyNames].
func (s *Store) updateNames(ctx context.Context, known *knownNames, marks Marks) (*knownNames, error) {
	changes, err := s.Changes(ctx, known.marks, marks)
	if err != nil {
		return nil, err
	}
	var concerned []int64
	anybody := false
	for _, c := range changes {
		switch {
		case c.SubjectID == Everybody:
			anybody = true
		case c.SubjectID > 0 && !slices.Contains(concerned, c.SubjectID):
			concerned = append(concerned, c.SubjectID)
		}
	}
	type row struct {
		knownName
		kind subject.Kind
	}
	// Who is there and how many belong together.
	tx, err := s.reader.BeginTx(ctx, s.dialect.Snapshot)
	if err != nil {
		return nil, fmt.Errorf("begin transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
	found, err := collect(ctx, tx, func(of scanner) (r row, err error) { return r, of.Scan(&r.kind, &r.id, &r.name) },
		"SELECT kind, id, name FROM subjects WHERE id > ? OR id IN ("+idList(concerned)+")", known.lastID)
	if err != nil {
		return nil, fmt.Errorf("read new names: %w", err)
	}
	updated := &knownNames{marks: marks, lastID: known.lastID, bytes: known.bytes, byKind: maps.Clone(known.byKind)}
	gone := make(map[int64]bool, len(concerned))
	for _, id := range concerned {
		gone[id] = true
	}
	added := map[subject.Kind][]knownName{}
	for _, r := range found {
		all := known.byKind[r.kind]
		if at, is := slices.BinarySearchFunc(all, r.name, byName); is && all[at].id == r.id {
			delete(gone, r.id)
			continue
		}
		added[r.kind] = append(added[r.kind], r.knownName)
		if err := updated.note(r.knownName); err != nil {
			return nil, err
		}
	}
	count := 0
	for _, kind := range subject.Kinds {
		if len(gone)+len(added[kind]) > 0 {
			updated.byKind[kind] = withNames(known.byKind[kind], added[kind], gone)
		}
		count += len(updated.byKind[kind])
	}
	if !anybody {
		return updated, nil
	}
	var now int
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM subjects").Scan(&now); err != nil {
		return nil, fmt.Errorf("count all names: %w", err)
	}
	if now != count {
		return nil, errNamesUnknown
	}
	return updated, nil
}

// withNames is a list with names that were added, also such as were gone before, and
// without those that are gone.
func withNames(all, added []knownName, gone map[int64]bool) []knownName {
	slices.SortFunc(added, func(a, b knownName) int { return strings.Compare(a.name, b.name) })
	with := make([]knownName, 0, len(all)+len(added))
	for _, one := range all {
		for len(added) > 0 && added[0].name < one.name {
			with, added = append(with, added[0]), added[1:]
		}
		again := len(added) > 0 && added[0].name == one.name
		if !again && !gone[one.id] {
			with = append(with, one)
		}
	}
	return append(with, added...)
}
