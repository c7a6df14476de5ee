package cache

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/clock"
	"github.com/dockit-registry/dockit/internal/hedged"
	"github.com/dockit-registry/dockit/store"
)

const (
	// pollInterval is how often the marks are read for no request.
	pollInterval = 500 * time.Millisecond
	// freshness is how old the marks may be without being read again first.
	freshness = time.Second
	// patience is how long a request waits for the marks before it makes do
	// with memory.
	patience = 500 * time.Millisecond
	// askTimeout is how long the database may take to answer. For as long it is asked
	// again and again: were it any longer, nobody would notice at its end that the
	// database answers others.
	askTimeout = hedged.Most * askAgain
	// askAgain is how soon the marks are asked for on another connection: several
	// may have gone silent, and a change has to count 2 s after the database
	// answers. It is one question for all requests together.
	askAgain = 250 * time.Millisecond
	// rereadAfter bounds how long anything is taken from memory, in case the
	// database was changed by other hands than Dockit's.
	rereadAfter = time.Minute
)

// latestMarks is what is known of the marks.
type latestMarks struct {
	marks store.Marks
	// epoch counts how often the database turned out to have another history, as
	// it has when it was restored, or when a replica took over that did not have
	// everything. Nothing older counts then.
	epoch int64
	// heard counts the changes of this process before the marks were read.
	heard int64
	// asked is when they were asked for.
	asked clock.Moment
}

// failure is why the database does not answer.
type failure struct {
	err   error
	since clock.Moment
}

// errLate is returned when the database takes its time.
var errLate = errors.New("the database has not answered yet")

// confirm returns the marks. An error says that they may have changed.
func (d *shared) confirm(ctx context.Context) (*latestMarks, error) {
	const attempts = 3 // others may change something all the time
	for range attempts {
		k := d.known.Load()
		if d.fresh(k) {
			return k, nil
		}
		if away := d.failing.Load(); away != nil {
			return k, away.err
		}
		asked := d.asking.DoChan("", func() (any, error) { return nil, d.ask() })
		if d.late.Load() {
			return k, errLate
		}
		timer := time.NewTimer(patience)
		select {
		case answer := <-asked:
			timer.Stop()
			if answer.Err != nil {
				return d.known.Load(), answer.Err
			}
		case <-timer.C:
			d.late.Store(true)
			return k, errLate
		case <-ctx.Done():
			timer.Stop()
			return k, ctx.Err()
		}
	}
	return d.known.Load(), nil
}

func (d *shared) fresh(k *latestMarks) bool {
	return k.heard == d.heard.Load() && k.asked.Age() < freshness
}

// current reports whether no change is known since something was read that
// concerns its subject.
func (d *shared) current(s stamp, subjectID int64) bool {
	return s.epoch == d.known.Load().epoch && s.revision >= d.changes.last(subjectID) && s.heard >= d.own.last(subjectID)
}

// stampNow is the stamp of what is read from now on.
func (d *shared) stampNow() stamp {
	k := d.known.Load()
	return stamp{revision: k.marks.Revision, epoch: k.epoch, heard: d.heard.Load(), read: clock.This()}
}

// hear takes a change by this process into account.
func (d *shared) hear(c store.Change) {
	// By its own number: what became of it may be unknown, and its revision
	// another change's.
	d.own.add(d.heard.Add(1), c.SubjectID)
}

// holds reports whether what was read at a time is still true, or may be taken
// for true because the database cannot be asked.
func (d *Cache) holds(s stamp, subjectID int64, k *latestMarks, unconfirmed error) bool {
	if !d.current(s, subjectID) {
		return false
	}
	if unconfirmed == nil {
		return s.read.Age() < rereadAfter
	}
	return k.asked.Age() < d.serveStale
}

// ask reads the marks.
func (d *shared) ask() error {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	before := d.known.Load()
	k := &latestMarks{heard: d.heard.Load(), epoch: before.epoch, asked: clock.This()}
	changes, err := d.news(ctx, before, k)
	if err != nil {
		if d.failing.Load() == nil {
			d.failing.Store(&failure{err, k.asked})
			d.logger.Error("the database does not answer: tokens are issued from memory, changes are refused", zap.Error(err), zap.String("remedy", store.Hint(err)))
			d.tell(err, 0)
		}
		return err
	}
	for _, c := range changes {
		d.changes.add(c.Revision, c.SubjectID)
	}
	d.known.Store(k)
	if k.epoch != before.epoch {
		d.changes.forget() // they are about what does not count any more
	}
	d.late.Store(false)
	if away := d.failing.Swap(nil); away != nil {
		d.logger.Info("the database answers again", zap.Duration("after", away.since.Age()))
		d.tell(nil, away.since.Age())
		d.refreshSoon() // what could not be read
	}
	if before.epoch != k.epoch || before.marks.Revision != k.marks.Revision || before.heard != k.heard {
		d.refreshSoon()
	}
	return nil
}

// news reads the marks and what was changed since they were read before. No silent
// connection may keep it from that: a change has to count 2 s after the database
// answers.
func (d *shared) news(ctx context.Context, before, k *latestMarks) ([]store.Change, error) {
	marks, err := hedged.Do(ctx, askAgain, d.source.Marks)
	if err != nil {
		return nil, err
	}
	k.marks = marks
	switch {
	case before.asked.IsZero():
		return []store.Change{{Revision: marks.Revision, SubjectID: store.Everybody}}, nil
	case marks.Revision == before.marks.Revision && marks.Nonce == before.marks.Nonce:
		return nil, nil
	case marks.Revision <= before.marks.Revision:
		k.epoch++
		return nil, nil
	}
	changes, err := hedged.Do(ctx, askAgain, func(ctx context.Context) ([]store.Change, error) {
		return d.source.Changes(ctx, before.marks, marks)
	})
	if errors.Is(err, store.ErrOtherHistory) {
		k.epoch++
		return nil, nil
	}
	return changes, err
}

// follow keeps the marks fresh, so that requests need not ask for them, and
// finds out when the database answers again.
func (d *shared) follow(ctx context.Context) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_, _, _ = d.asking.Do("", func() (any, error) { return nil, d.ask() })
		}
	}
}
