package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/dockit-registry/dockit/e2e/internal/tables"
)

// What a server may hold in the end beyond what it held in the beginning: a connection of a pool or two, and what a
// collector leaves.
const (
	moreGoroutines  = 4
	moreDescriptors = 4
	moreHeapMB      = 3
	moreResidentMB  = 12
	// mostUnanswered of the requests, one in so many, may be cut by reloads.
	mostUnanswered = 200
)

// report is what is printed. Its form in JSON is stable.
type report struct {
	Length   string            `json:"length"`
	Database string            `json:"database"`
	Held     []holding         `json:"held"`
	Work     map[string]*count `json:"work"`
}

// holding is what one process held.
type holding struct {
	Title string `json:"title"`
	// Before and After are in quiet, Early, Late and Most while it worked: the medians of the first and the last tenth,
	// and the most.
	Before usage `json:"before"`
	Early  usage `json:"early"`
	Late   usage `json:"late"`
	Most   usage `json:"most"`
	After  usage `json:"after"`
	Grown  bool  `json:"grown"`
}

func newReport(o options, targets []*target, before []usage, samples [][]usage, after []usage, c *counts) *report {
	r := &report{Length: o.length.String(), Database: o.database, Work: c.of}
	for i := range before {
		n := holding{Title: targets[i].title, Before: before[i], After: after[i], Grown: grew(before[i], after[i])}
		var all []usage
		for _, sample := range samples {
			all = append(all, sample[i])
		}
		if tenth := max(len(all)/10, 1); len(all) > 0 {
			n.Early, n.Late = median(all[:tenth]), median(all[len(all)-tenth:])
		}
		for _, u := range all {
			n.Most.Goroutines, n.Most.Descriptors = max(n.Most.Goroutines, u.Goroutines), max(n.Most.Descriptors, u.Descriptors)
			n.Most.Resident, n.Most.Heap = max(n.Most.Resident, u.Resident), max(n.Most.Heap, u.Heap)
		}
		r.Held = append(r.Held, n)
	}
	return r
}

// grew reports whether a server holds more than is allowed for.
func grew(before, after usage) bool {
	return after.Goroutines > before.Goroutines+moreGoroutines || after.Descriptors > before.Descriptors+moreDescriptors ||
		after.Heap > before.Heap+moreHeapMB || after.Resident > before.Resident+moreResidentMB
}

func median(all []usage) (m usage) {
	pick := func(value func(usage) float64) float64 {
		values := make([]float64, len(all))
		for i, u := range all {
			values[i] = value(u)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	m.Goroutines = int(pick(func(u usage) float64 { return float64(u.Goroutines) }))
	m.Descriptors = int(pick(func(u usage) float64 { return float64(u.Descriptors) }))
	m.Resident, m.Heap = pick(func(u usage) float64 { return u.Resident }), pick(func(u usage) float64 { return u.Heap })
	return m
}

func (r *report) grown() bool {
	return slices.ContainsFunc(r.Held, func(n holding) bool { return n.Grown })
}

// failed reports whether anything failed, nothing of a kind was done, or more than reloads cut went unanswered.
func (r *report) failed() bool {
	done, cut := 0, 0
	for _, c := range r.Work {
		if c.Failed > 0 || c.Done == 0 {
			return true
		}
		done, cut = done+c.Done, cut+c.Unanswered
	}
	return cut > done/mostUnanswered+1
}

func (r *report) write(out io.Writer, format string) error {
	if format == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	held := tables.New(out, fmt.Sprintf("%s, %s", r.Length, r.Database), "quiet before", "at work, first tenth", "last tenth", "most", "quiet after", "change", "allowed")
	for _, n := range r.Held {
		row := func(what, format string, allowed float64, of func(usage) float64) {
			if of(n.Before) == 0 {
				return // it cannot be asked
			}
			cells := table.Row{n.Title + ": " + what}
			for _, u := range []usage{n.Before, n.Early, n.Late, n.Most, n.After} {
				cells = append(cells, fmt.Sprintf(format, of(u)))
			}
			change := of(n.After) - of(n.Before)
			more := fmt.Sprintf("+"+format, allowed)
			if change > allowed {
				more += ": EXCEEDED"
			}
			held.AppendRow(append(cells, fmt.Sprintf("%+.1f", change), more))
		}
		row("goroutines", "%.0f", moreGoroutines, func(u usage) float64 { return float64(u.Goroutines) })
		row("descriptors", "%.0f", moreDescriptors, func(u usage) float64 { return float64(u.Descriptors) })
		row("memory of its own, MB", "%.1f", moreResidentMB, func(u usage) float64 { return u.Resident })
		row("heap, MB", "%.1f", moreHeapMB, func(u usage) float64 { return u.Heap })
	}
	held.Render()
	fmt.Fprintln(out)
	work := tables.New(out, "work", "done", "unanswered", "failed", "median", "p99")
	for _, name := range slices.Sorted(maps.Keys(r.Work)) {
		c := r.Work[name]
		work.AppendRow(table.Row{name, c.Done, c.Unanswered, c.Failed, milliseconds(c.quantile(0.5)), milliseconds(c.quantile(0.99))})
	}
	work.Render()
	for _, name := range slices.Sorted(maps.Keys(r.Work)) {
		if c := r.Work[name]; c.Failure != "" {
			fmt.Fprintf(out, "\n%s failed first with: %s\n", name, c.Failure)
		}
	}
	return nil
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
