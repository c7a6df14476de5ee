package pki

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// updateAttempts bounds how often other nodes may be faster. Each of them
// succeeded in between, so that what is left to do gets less.
const updateAttempts = 20

// updateRequest is what an update does beside what is due.
type updateRequest struct {
	// start is set for the first update of a process.
	start bool
	// apply decides on a change that an administrator asked for.
	apply func(*plan) error
}

// update reads the keys, changes what is due, and publishes the result to
// requests.
func (r *Ring) update(ctx context.Context, request updateRequest) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.updateLocked(ctx, request)
}

// updateLocked is update for those who hold mu.
func (r *Ring) updateLocked(ctx context.Context, request updateRequest) error {
	for range updateAttempts {
		err := r.attempt(ctx, request)
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("change keys: %w, %d times in a row", ErrConflict, updateAttempts)
}

func (r *Ring) attempt(ctx context.Context, request updateRequest) error {
	version, records, err := r.store.Keys(ctx)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	p, err := r.read(records, request.start)
	if err != nil {
		return err
	}
	p.start = request.start
	if err := r.decide(p, request); err != nil {
		if request.start || request.apply != nil {
			return err
		}
		// What another node decided still holds for this one.
		if p, rereadErr := r.read(records, false); rereadErr == nil {
			return errors.Join(err, r.publish(p, version))
		}
		return err
	}
	// Laying the keys out finds what is wrong with them before they are
	// written.
	if put := p.put(); len(put)+len(p.removed) > 0 {
		if _, err := p.snapshot(version, r.external); err != nil {
			return err
		}
		if err := r.store.ChangeKeys(ctx, version, put, p.removed); err != nil {
			return fmt.Errorf("change keys: %w", err)
		}
		version++
		r.report(p, request)
	}
	return r.publish(p, version)
}

func (r *Ring) decide(p *plan, request updateRequest) error {
	if request.apply != nil {
		// Only what is settled can be changed on request.
		if err := p.reconcile(); err != nil {
			return err
		}
		p.advance()
		if err := request.apply(p); err != nil {
			return err
		}
	}
	return p.reconcile()
}

// read makes a plan of what the store holds.
func (r *Ring) read(records []Record, strict bool) (*plan, error) {
	p := &plan{options: r.options, seals: r.seals, now: r.now().Truncate(time.Microsecond)}
	p.seals.adopt = strict && r.options.SealExisting
	if r.external != nil {
		p.external = r.external.current
	}
	var (
		entries []*storedKey
		problem error
	)
	for _, record := range records {
		e, err := readRecord(record, p.seals)
		if e == nil || err != nil && strict {
			return nil, err
		}
		if err != nil {
			// Another node has sealed it anew. A key that was read before
			// goes on to be used.
			known, ok := r.opened[e.ID]
			resealed := errors.Is(err, errWrongEncryptionKey) || errors.Is(err, errSealed)
			switch {
			case ok && resealed && known.cert.Equal(e.cert):
				e.signer = known.signer
			case len(p.seals.keys) > 0:
				problem = err
				continue // it may be an attacker who wrote it
			default:
				problem = err
			}
		}
		entries = append(entries, e)
	}
	p.keys = newKeyring(entries)
	p.keys.prove(p.external)
	r.note("opening private keys", problem)
	r.note("trusting keys of the database", p.keys.unprovenError())
	p.advance()
	return p, nil
}

// advance moves the plan's time past the newest key, in case the clock of the
// node that made it is a little ahead: what is decided later counts as later.
func (p *plan) advance() {
	for _, e := range p.keys {
		if !p.now.After(e.CreatedAt) && e.CreatedAt.Sub(p.now) < margin {
			p.now = e.CreatedAt.Add(time.Microsecond)
		}
	}
}

// publish hands the keys to requests.
func (r *Ring) publish(p *plan, version int64) error {
	v, err := p.snapshot(version, r.external)
	if err != nil {
		return err
	}
	clear(r.opened)
	for _, e := range p.keys {
		if e.signer != nil && !e.unproven {
			r.opened[e.ID] = openedKey{e.signer, e.cert}
		}
	}
	r.view.Store(v)
	r.confirmed.Store(r.now().UnixNano())
	return nil
}

// report logs what was changed.
func (r *Ring) report(p *plan, request updateRequest) {
	for _, e := range p.adopted {
		r.logger.Warn("sealed a key that stood in the clear",
			zap.String("purpose", string(e.Purpose)),
			zap.String("service", e.Service),
			zap.String("kid", e.ID),
			zap.String("fingerprint", Fingerprint(e.cert)))
	}
	for _, e := range p.made {
		fields := []zap.Field{
			zap.String("purpose", string(e.Purpose)),
			zap.String("service", e.Service),
			zap.String("kid", e.ID),
			zap.Time("not_after", e.cert.NotAfter),
		}
		if !e.ActiveFrom.IsZero() {
			fields = append(fields, zap.Time("active_from", e.ActiveFrom))
		}
		r.logger.Info("made a key", fields...)
	}
	for _, e := range p.keys {
		// Keys of the first start replace none.
		if p.changed[e.ID] && !e.RetiredAt.IsZero() && len(e.PrivateKey) > 0 {
			r.counters.rotations.Add(1)
			r.logger.Info("replaced a key",
				zap.String("purpose", string(e.Purpose)),
				zap.String("service", e.Service),
				zap.String("kid", e.ID))
			r.options.Observe(Replaced{Purpose: e.Purpose, Service: e.Service, KeyID: e.ID})
		}
	}
}

// note logs a problem when it appears or changes, and when it is over.
func (r *Ring) note(what string, problem error) {
	text := ""
	if problem != nil {
		text = problem.Error()
		r.counters.failures.Add(1)
	}
	if r.problems[what] == text {
		return
	}
	r.problems[what] = text
	if problem != nil {
		r.logger.Error(what+" failed", zap.Error(problem))
	} else {
		r.logger.Info(what + " works again")
	}
}
