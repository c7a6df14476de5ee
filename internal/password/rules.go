package password

import (
	"bufio"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"slices"
	"strings"
)

// ErrRefused is returned for a password on the list of refused ones, and for one
// in the form of a token.
var ErrRefused = errors.New("password is refused")

// Rules say which passwords people may choose. Nil Rules are about length
// only. They never change, and may be used by several goroutines at once.
type Rules struct {
	// refused holds a 64-bit hash of each refused password, sorted, so that
	// a list of ten million takes 80 MB.
	refused []uint64
	seed    maphash.Seed
}

// LoadRules reads a file of refused passwords, one a line, such as a list of
// those that leaked elsewhere. Capitals make no difference. Lines shorter than
// [minLength] are skipped, because such passwords are refused anyway.
func LoadRules(file string) (*Rules, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read refused passwords: %w", err)
	}
	defer f.Close()
	r := &Rules{seed: maphash.MakeSeed()}
	lines := bufio.NewScanner(f)
	for line := 1; lines.Scan(); line++ {
		if pw := strings.TrimSuffix(lines.Text(), "\r"); len(pw) >= minLength {
			r.refused = append(r.refused, r.hash(pw))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read refused passwords from %s: %w: give one password a line", file, err)
	}
	slices.Sort(r.refused)
	r.refused = slices.Clip(slices.Compact(r.refused))
	return r, nil
}

// Check reports why pw cannot become a person's password, or nil. Errors:
// [ErrLength], [ErrSpace], [ErrRefused].
func (r *Rules) Check(pw string) error {
	if err := Check(pw); err != nil {
		return err
	}
	if r == nil {
		return nil
	}
	if _, listed := slices.BinarySearch(r.refused, r.hash(pw)); listed {
		return fmt.Errorf("%w: it is on the list of passwords that are known to guessers: choose another", ErrRefused)
	}
	return nil
}

func (r *Rules) hash(pw string) uint64 { return maphash.String(r.seed, strings.ToLower(pw)) }
