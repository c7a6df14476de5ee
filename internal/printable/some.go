package printable

import (
	"fmt"
	"strings"
)

// Some lists the first five of some names, and says how many more there are.
func Some(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
