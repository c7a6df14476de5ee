package rbac

import (
	"fmt"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/subject"
)

// tried is what a dry run prints for programs.
type tried struct {
	held
	adminapi.Effects
}

// printEffects shows what a dry run of grant or revoke found out. left is what the
// subject would have, nil for nothing.
func printEffects(p *cli.Printer, ref subject.Ref, left *access.Permission, asked access.Permission, effects *adminapi.Effects) error {
	if effects == nil {
		return fmt.Errorf("the server did not say what that would do to %s: it is older than --dry-run", ref)
	}
	name, message := "", fmt.Sprintf("%s would have no %s:%s of its own", ref, asked.Type, asked.Name)
	if left != nil {
		name, message = left.String(), fmt.Sprintf("%s would have %s", ref, left)
	}
	lines := []string{message}
	for _, e := range effects.Changes {
		does, actions := "adds", e.Gained
		if len(actions) == 0 {
			does, actions = "takes", e.Lost
		}
		whom := make([]string, len(e.Some))
		for i, one := range e.Some {
			whom[i] = one.String()
		}
		if len(whom) < e.Users+e.Robots {
			whom = append(whom, "…")
		}
		lines = append(lines, fmt.Sprintf("  %s %s: %d users, %d robots: %s", does, strings.Join(actions, ","), e.Users, e.Robots, strings.Join(whom, " ")))
	}
	if effects.Same > 0 {
		lines = append(lines, fmt.Sprintf("  changes nothing, because of other permissions: %d", effects.Same))
	}
	if effects.Disabled > 0 {
		lines = append(lines, fmt.Sprintf("  disabled: %d", effects.Disabled))
	}
	return p.One(tried{held{ref, left}, *effects}, name, func() {
		for _, line := range lines {
			p.Line(line)
		}
	})
}
