package rbac

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/subject"
)

// permissionNotes says where a permission does nothing although it is right.
func permissionNotes(ref subject.Ref, p access.Permission) []string {
	var notes []string
	if name, hosted := access.WithoutHost(p.Name); hosted {
		notes = append(notes, fmt.Sprintf("%s: %s", p, hostNote(name)))
	}
	if placeholders := p.Placeholders(); len(placeholders) > 0 && ref.Kind == subject.User {
		notes = append(notes, fmt.Sprintf("%s: {%s} stands for what a binding exposes of the token of a robot: it gives %s nothing", p, placeholders[0], ref))
	}
	switch {
	case ref.Kind == subject.Group && strings.Contains(p.Name, "{username}"):
		notes = append(notes, fmt.Sprintf("%s: {username} never fits a name with an @, which no repository has: it gives such members nothing", p))
	case !p.FitsUsername(ref.Name):
		notes = append(notes, fmt.Sprintf("%s: {username} never fits a name with an @, which no repository has: it gives %s nothing, so name the repositories instead", p, ref))
	}
	return notes
}

// hostNote says what a registry asks for when a client writes a host before.
func hostNote(name string) string {
	return fmt.Sprintf("a registry sees %[1]s, without the host and port that clients write before it: write %[1]s", name)
}

// printNotes reports what does nothing, on standard error.
func printNotes(cmd *cobra.Command, notes []string) {
	for _, note := range notes {
		cli.Warnf(cmd.ErrOrStderr(), "note: %s", note)
	}
}

// planNotes are the notes on what a plan grants.
func planNotes(plan adminapi.Plan) []string {
	var notes []string
	for _, change := range plan.Changes {
		for _, p := range change.Grant {
			notes = append(notes, permissionNotes(change.Subject, p)...)
		}
	}
	return notes
}
