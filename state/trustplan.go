package state

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dockit-registry/dockit/subject"
)

// trustDiffer compares the issuers and bindings of a document with those that
// there are.
type trustDiffer struct {
	issuers  map[string]*Issuer
	bindings map[string]*Binding
	// held are the issuers that there are, and seen those of the document.
	held, seenIssuers, seenBindings map[string]bool
	issuerChanges, bindingChanges   []TrustChange
}

func newTrustDiffer(wanted *Document) trustDiffer {
	d := trustDiffer{
		issuers: make(map[string]*Issuer, len(wanted.Issuers)), bindings: make(map[string]*Binding, len(wanted.Bindings)),
		held: map[string]bool{}, seenIssuers: map[string]bool{}, seenBindings: map[string]bool{},
	}
	for i := range wanted.Issuers {
		d.issuers[wanted.Issuers[i].Name] = &wanted.Issuers[i]
	}
	for i := range wanted.Bindings {
		d.bindings[wanted.Bindings[i].Name] = &wanted.Bindings[i]
	}
	return d
}

// CurrentIssuer is one issuer that there is. Each comes once, in any order.
func (d *Differ) CurrentIssuer(current Issuer) {
	d.trust.held[current.Name] = true
	wanted, listed := d.trust.issuers[current.Name]
	d.trust.seenIssuers[current.Name] = listed
	switch {
	case listed && !d.options.Add:
		if change, needed := trustChange(current.Name, issuerSettings(current), issuerSettings(*wanted)); needed {
			change.Issuer = wanted
			d.trust.issuerChanges = append(d.trust.issuerChanges, change)
		}
	case !listed && d.options.Prune:
		change, _ := trustChange(current.Name, issuerSettings(current), nil)
		d.trust.issuerChanges = append(d.trust.issuerChanges, change)
	}
}

// CurrentBinding is one binding that there is. Each comes once, in any order.
func (d *Differ) CurrentBinding(current Binding) {
	wanted, listed := d.trust.bindings[current.Name]
	d.trust.seenBindings[current.Name] = listed
	switch {
	case listed && !d.options.Add:
		if change, needed := trustChange(current.Name, bindingSettings(current), bindingSettings(*wanted)); needed {
			change.Binding = wanted
			d.trust.bindingChanges = append(d.trust.bindingChanges, change)
		}
	case !listed && d.options.Prune:
		change, _ := trustChange(current.Name, bindingSettings(current), nil)
		d.trust.bindingChanges = append(d.trust.bindingChanges, change)
	}
}

// planTrust adds what is new, and refuses what cannot become part of the state.
func (d *Differ) planTrust() (issuers, bindings []TrustChange, err error) {
	t := &d.trust
	for i := range d.document.Issuers {
		wanted := &d.document.Issuers[i]
		if !t.seenIssuers[wanted.Name] {
			change, _ := trustChange(wanted.Name, nil, issuerSettings(*wanted))
			change.Issuer = wanted
			t.issuerChanges = append(t.issuerChanges, change)
		}
	}
	for i := range d.document.Bindings {
		wanted := &d.document.Bindings[i]
		if err := d.fitsBinding(*wanted); err != nil {
			return nil, nil, err
		}
		if !t.seenBindings[wanted.Name] {
			change, _ := trustChange(wanted.Name, nil, bindingSettings(*wanted))
			change.Binding = wanted
			t.bindingChanges = append(t.bindingChanges, change)
		}
	}
	byName := func(a, b TrustChange) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(t.issuerChanges, byName)
	slices.SortFunc(t.bindingChanges, byName)
	return t.issuerChanges, t.bindingChanges, nil
}

// fitsBinding reports why a binding cannot become part of the state, or nil.
func (d *Differ) fitsBinding(b Binding) error {
	if _, listed := d.trust.issuers[b.Issuer]; !listed && (d.options.Prune || !d.trust.held[b.Issuer]) {
		return fmt.Errorf("%w: the binding %s names the issuer %s, which does not exist: list it", ErrConflict, b.Name, b.Issuer)
	}
	if !d.stays(b.Robot) {
		return fmt.Errorf("%w: the binding %s names %s, which does not exist: list it", ErrConflict, b.Name, b.Robot)
	}
	return nil
}

// stays reports whether there is a subject that the document names, once it is
// applied.
func (d *Differ) stays(ref subject.Ref) bool {
	_, listed := d.wanted[ref]
	return listed || !d.options.Prune && d.named[ref.Name] == ref
}
