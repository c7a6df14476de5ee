package trust

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/duration"
)

// question is one field of a form, with what is filled in.
type question struct {
	Name, Label, Hint, Placeholder string
	// Value is what stands in it: at first what is likely to be wanted.
	Value string
	// Tick is what a box says when it is ticked, empty for what is no box.
	Tick string
	// Rows are those of a longer text, 0 for one line.
	Rows int
	// List is the id of a list of proposals.
	List string
	// Required is set when the form does not do without it.
	Required bool
	// Most is how many characters it takes.
	Most int
}

// Ticked reports whether a box is ticked.
func (q question) Ticked() bool { return q.Tick != "" && q.Value == q.Tick }

// Limit is Most, or what is enough for most fields.
func (q question) Limit() int {
	if q.Most == 0 {
		return 512
	}
	return q.Most
}

// answered is the questions with what a form says to them.
func answered(v *frame.Visit, questions []question) []question {
	filled := make([]question, len(questions))
	for i, q := range questions {
		q.Value = answerTo(v, q.Name)
		filled[i] = q
	}
	return filled
}

// answerTo is what a form says, without what stands around it.
func answerTo(v *frame.Visit, name string) string {
	return strings.TrimSpace(strings.ReplaceAll(v.PostFormValue(name), "\r\n", "\n"))
}

// secondsOf reads how long, such as 6h, as the admin API has it: in seconds.
func secondsOf(what, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	d, err := duration.Parse(text)
	if err != nil {
		return 0, frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, fmt.Sprintf("%s: %v", what, err))
	}
	if d < time.Second {
		return 0, frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, what+": write a second or more, such as 6h")
	}
	return int64(d / time.Second), nil
}

// durationOf writes seconds of the admin API, 0 for what it takes by itself.
func durationOf(seconds int64, byDefault time.Duration) string {
	if seconds == 0 {
		return duration.Format(byDefault)
	}
	return duration.Format(time.Duration(seconds) * time.Second)
}
