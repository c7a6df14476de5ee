package main

import (
	"encoding/json"
	"io"
	"slices"
	"strconv"

	"github.com/dockit-registry/dockit/e2e/internal/tables"
)

// report is what is printed. Its form in JSON is stable.
type report struct {
	Figures []figure `json:"figures"`
}

// figure is one that was measured.
type figure struct {
	ID    string  `json:"id"`
	Title string  `json:"title"`
	Value float64 `json:"value"`
	// Limit is what is promised: at most that. One without a promise explains others.
	Limit *float64 `json:"limit,omitempty"`
	// Note is why it is as it is.
	Note string `json:"note,omitempty"`
}

// promised is a figure that must not be above a limit.
func promised(id, title string, value, limit float64, note string) figure {
	return figure{id, title, value, &limit, note}
}

// told is a figure that explains others.
func told(id, title string, value float64) figure { return figure{ID: id, Title: title, Value: value} }

func (f figure) worse() bool { return f.Limit != nil && f.Value > *f.Limit }

func (r *report) worse() bool { return slices.ContainsFunc(r.Figures, figure.worse) }

func (r *report) write(out io.Writer, form string) error {
	if form == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	t := tables.New(out, "FIGURE", "MEASURED", "AT MOST", "")
	for _, f := range r.Figures {
		limit, verdict := "", ""
		if f.Limit != nil {
			limit, verdict = number(*f.Limit), "ok"
		}
		if f.worse() {
			verdict = "WORSE " + f.Note
		}
		t.AppendRow([]any{f.Title, number(f.Value), limit, verdict})
	}
	t.Render()
	return nil
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }
