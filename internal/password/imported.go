package password

import (
	"fmt"
	"math"
)

// maxImportedWork is how much work a hash brought from elsewhere may be to
// check, in checks of a hash that [Hash] makes: a guesser decides how
// often that is done.
const maxImportedWork = 4

// maxImportedLanes is on how many cores a hash brought from elsewhere may be
// checked at once: one core is to remain for everything else.
const maxImportedLanes = 1

// ErrTooDear is returned for a hash that takes too much work to check to be
// brought from elsewhere. It is an [ErrHash], too.
var ErrTooDear = fmt.Errorf("%w: too much work to check", ErrHash)

// CheckImported reports why a hash cannot be brought from elsewhere, or nil.
// Errors: [ErrHash] and, for one that could be used but takes more than four
// times the work of one that [Hash] makes or is checked on several cores at once,
// [ErrTooDear]. Hashes of that kind that are stored already can be checked.
func CheckImported(hash string) error {
	if err := ValidHash(hash); err != nil {
		return err
	}
	cost, err := CostOf(hash)
	if err != nil {
		return err
	}
	if cost.lanes > maxImportedLanes {
		return fmt.Errorf("%w: %s is checked on %d cores at once, only one is allowed (p=1)", ErrTooDear, cost, cost.lanes)
	}
	if work := cost.Work(); work > maxImportedWork {
		return fmt.Errorf("%w: %s takes %.0f times as much as a hash made by Dockit, at most %d times is allowed (bcrypt up to %d, argon2id up to m·t=%d)",
			ErrTooDear, cost, math.Ceil(work), maxImportedWork, maxImportedBcrypt, int(maxImportedWork/caches*ownSteps()))
	}
	return nil
}

const (
	// referenceBcrypt is a cost of bcrypt that takes referenceWork times as
	// long as one check of argon2id as it is made here: 66 and 26 ms on a core
	// of today. Where argon2id has no code of its own for the processor it is
	// slower, and bcrypt less work in comparison.
	referenceBcrypt = 10
	referenceWork   = 2.5
	// maxImportedBcrypt is the highest cost of bcrypt within maxImportedWork.
	maxImportedBcrypt = 10
	// caches makes up for other parameters of argon2id, of which less is found
	// in the caches of the processor.
	caches = 1.25
)

// Work says how much work it is to check a hash of that cost, in checks of a
// hash that [Hash] makes. It is an estimate, the same on every machine.
func (c Cost) Work() float64 {
	switch {
	case c.bcrypt != 0:
		return referenceWork * math.Pow(2, float64(c.bcrypt-referenceBcrypt))
	case c.Current():
		return 1
	default:
		return caches * float64(c.memory) * float64(c.passes) / ownSteps()
	}
}

func ownSteps() float64 { return float64(current.memory) * float64(current.passes) }
