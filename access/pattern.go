package access

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/dockit-registry/dockit/internal/glob"
)

// placeholder stands in a pattern for the name of the caller.
const placeholder = "{username}"

// MaxPatternLength is the longest name in a permission, in bytes.
const MaxPatternLength = 256

// patternFault says what is wrong with the name of a permission and what to
// write instead, or nothing. A namespace may be a host alone: everything there.
func patternFault(name string, namespace bool) string {
	if name == "" {
		return "the name is empty: write a repository such as team/app, or ** for every one"
	}
	if len(name) > MaxPatternLength {
		return fmt.Sprintf("the name is %d bytes long, at most %d are allowed", len(name), MaxPatternLength)
	}
	components := strings.Split(name, "/")
	for i, component := range components {
		fault := patternComponentFault(component, i == 0)
		if fault == "" {
			continue
		}
		if i == len(components)-1 {
			fault = cmp.Or(referenceFault(component), fault)
		}
		return fault
	}
	if !namespace && !strings.Contains(name, "/") && isHost(exemplar(name)) {
		return fmt.Sprintf("%q is a host without a repository: write %s/** for all that is there", name, name)
	}
	return ""
}

func patternComponentFault(component string, first bool) string {
	if component == "**" {
		return ""
	}
	if strings.Contains(component, "**") {
		return fmt.Sprintf("in %q ** does not stand alone between slashes: write * for characters within a component, or /**/ for any number of components", component)
	}
	if exposed(component) != "" {
		return ""
	}
	judged := exemplar(component)
	if strings.ContainsAny(judged, "{}") {
		if within := firstExposed(judged); within != "" {
			return fmt.Sprintf("in %q {%s} does not stand alone between slashes, and what it stands for could be taken for something else there: write team/{%[2]s}", component, within)
		}
		return fmt.Sprintf("%q holds an unknown placeholder: only %s is known, and alone between slashes what a binding exposes, such as {k8s.namespace}", component, placeholder)
	}
	return componentFault(component, judged, first)
}

// exemplar puts a digit for each wildcard and placeholder. A digit may stand
// anywhere, in a component as in a port.
func exemplar(component string) string {
	return strings.ReplaceAll(strings.ReplaceAll(component, placeholder, "0"), "*", "0")
}

// compile makes a name ready to be matched. It reports false when the name asks
// for a username that cannot stand in it: nothing matches then.
func compile(name, username string) (glob.Pattern, bool) {
	if !strings.Contains(name, "{") {
		return glob.Compile(name), true
	}
	if strings.Contains(name, placeholder) && (username == "" || strings.Contains(username, "/")) {
		return nil, false
	}
	// Wildcards and placeholders are found before the username comes in, so that it is
	// only ever compared.
	return glob.CompileWith(name, func(text string) string { return strings.ReplaceAll(text, placeholder, username) }, exposed), true
}
