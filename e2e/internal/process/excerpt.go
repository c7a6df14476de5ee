package process

import (
	"fmt"
	"strings"
)

// shownLines is how many lines of a process a failed test shows at most.
const shownLines = 60

// Excerpt is what a failed test shows of a process: the last lines it printed, without those that tell of what went
// well, so that the failure before them is not buried.
func (p *Process) Excerpt() string { return excerpt(p.Output()) }

func excerpt(output string) string {
	lines := strings.Split(strings.TrimSuffix(output, "\n"), "\n")
	shown := make([]string, 0, len(lines))
	for _, line := range lines {
		if !routine(line) {
			shown = append(shown, line)
		}
	}
	shown = shown[max(0, len(shown)-shownLines):]
	if left := len(lines) - len(shown); left > 0 {
		shown = append([]string{fmt.Sprintf("(%d lines are left out)", left)}, shown...)
	}
	return strings.Join(shown, "\n")
}

// routine reports whether a line of a log in JSON tells of what went well.
func routine(line string) bool {
	return strings.HasPrefix(line, "{") &&
		(strings.Contains(line, `"level":"info"`) || strings.Contains(line, `"level":"debug"`))
}
