// Package settings says what a setting may be, whichever way it comes: by a flag,
// in a Caddyfile or in a configuration of Caddy. Its errors begin with the name
// under which the setting was given.
package settings

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/dockit-registry/dockit/internal/duration"
	"github.com/dockit-registry/dockit/internal/retention"
	"github.com/dockit-registry/dockit/internal/token"
	"github.com/dockit-registry/dockit/state"
)

// What holds where a configuration says nothing.
const (
	DefaultIssuer   = "dockit"
	DefaultService  = "registry"
	DefaultTokenTTL = 5 * time.Minute
	DefaultDialect  = "sqlite"
)

const (
	// mostPermissions is what the maximum of permissions of one subject can be.
	mostPermissions = 10_000_000
	// leastStateSize and mostStateSize are what the maximum of a state document can be.
	leastStateSize, mostStateSize = 64 << 10, 1 << 30
)

// CheckTokenTTL refuses what clients cannot work with.
func CheckTokenTTL(name string, ttl time.Duration) error {
	switch {
	case ttl < token.MinTTL:
		return fmt.Errorf("%s is %s: clients need tokens that are valid for at least %s", name, duration.Format(ttl), duration.Format(token.MinTTL))
	case ttl%time.Second != 0:
		return fmt.Errorf("%s is %s: tokens are valid for whole seconds", name, ttl)
	}
	return nil
}

// CheckAuditKeep refuses what would leave no audit worth its name. 0 is for ever.
func CheckAuditKeep(name string, keep time.Duration) error {
	if keep != 0 && keep < retention.Least {
		return fmt.Errorf("%s is %s: at least %s are possible, such as 365d; leave it out to keep entries for ever", name,
			duration.Format(keep), duration.Format(retention.Least))
	}
	return nil
}

// CheckMaxPermissions refuses a maximum of permissions of one subject that no
// database holds, and one that is none.
func CheckMaxPermissions(name string, number int) error {
	if number < 1 || number > mostPermissions {
		return fmt.Errorf("%s is %d: from 1 to %d are possible", name, number, mostPermissions)
	}
	return nil
}

// ParseStateSize reads the largest size of a state document, such as 64MiB, in bytes.
func ParseStateSize(name, text string) (int64, error) {
	size, err := humanize.ParseBytes(text)
	if err != nil || strings.HasPrefix(text, "-") {
		return 0, fmt.Errorf("%s %q: write a size such as 64MiB", name, text)
	}
	return int64(min(size, mostStateSize+1)), CheckStateSize(name, int64(min(size, mostStateSize+1)))
}

// CheckStateSize refuses a largest size of a state document, in bytes, that takes
// too much memory, or that nothing fits in.
func CheckStateSize(name string, size int64) error {
	if size < leastStateSize || size > mostStateSize {
		return fmt.Errorf("%s: from %s to %s are possible", name, state.Size(leastStateSize), state.Size(mostStateSize))
	}
	return nil
}
