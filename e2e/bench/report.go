package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/dockit-registry/dockit/e2e/internal/tables"
)

// What is promised.
const (
	maxCost       = 1.25
	maxLoggedCost = 1.35
	minCrowded    = 0.8
	maxRemembered = 1.1
	maxTail       = 5.0
	maxLargest    = 1.2
	maxScopes     = 2.5
	maxFleetUS    = 45.0
	maxResidentMB = 45.0
	maxAnonymous  = 12.0
	maxBinaryMiB  = 48.0
)

// report is what is printed. Its form in JSON is stable.
type report struct {
	Connections int       `json:"connections"`
	Cases       []cost    `json:"cases"`
	Idle        held      `json:"idle"`
	Binary      float64   `json:"binary_mib"`
	Verdicts    []verdict `json:"verdicts"`
}

// cost is that of one request. Times are in microseconds, each the median of the rounds.
type cost struct {
	ID        string  `json:"id"`
	Title     string  `json:"title"`
	Size      int     `json:"answer_bytes"`
	PerSecond float64 `json:"per_second"`
	// P50 and P99 are under 80 % of the greatest load.
	P50         float64 `json:"p50_us"`
	P99         float64 `json:"p99_us"`
	CPU         float64 `json:"cpu_us"`
	Allocations float64 `json:"allocations"`
	Allocated   float64 `json:"allocated_kb"`
	held
	// Respond and Signature are what cannot be avoided, and Ratio compares the CPU time with both together.
	Respond   float64 `json:"respond_us"`
	Signature float64 `json:"signature_us"`
	Ratio     float64 `json:"ratio"`
}

// verdict compares a figure with what is promised.
type verdict struct {
	ID    string  `json:"id"`
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
	OK    bool    `json:"ok"`
	text  string
}

func newReport(s *site, all []*figures) *report {
	r := &report{Connections: s.options.connections, Idle: s.idle, Binary: s.binary}
	of := map[string]*figures{}
	for _, f := range all {
		of[f.id] = f
		const kilo = 1024
		r.Cases = append(r.Cases, cost{
			ID: f.id, Title: f.title, Size: f.size, PerSecond: median(f.perSecond), P50: micro(f.p50), P99: micro(f.p99), CPU: micro(f.cpu),
			Allocations: median(f.allocations), Allocated: median(f.allocated) / kilo, held: f.held,
			Respond: micro(f.respond), Signature: micro(f.sign), Ratio: median(f.ratios()),
		})
	}
	r.judge(of)
	return r
}

func micro(all []time.Duration) float64 { return float64(median(all)) / float64(time.Microsecond) }

// ratios compare what a request cost with what could not be avoided, round by round.
func (f *figures) ratios() []float64 {
	return f.each(func(i int) float64 { return float64(f.cpu[i]) / float64(f.unavoidable(i)) })
}

func (f *figures) unavoidable(i int) time.Duration { return f.respond[i] + f.sign[i] }

func (f *figures) each(of func(round int) float64) []float64 {
	all := make([]float64, len(f.cpu))
	for i := range all {
		all[i] = of(i)
	}
	return all
}

// over compares what a request cost with what one of another case did, round by round.
func (f *figures) over(other *figures) []float64 {
	return f.each(func(i int) float64 { return float64(f.cpu[i]) / float64(other.cpu[i]) })
}

// judge looks at the promises whose cases were measured.
func (r *report) judge(of map[string]*figures) {
	most := func(id, text string, value []float64, limit float64) {
		v := verdict{ID: id, Value: median(value), Limit: limit}
		v.OK, v.text = v.Value <= limit, fmt.Sprintf("%s: %.2f (at most %.2f)", text, v.Value, limit)
		r.Verdicts = append(r.Verdicts, v)
	}
	if f := of[logged]; f != nil {
		most("logged_cost", "CPU time of a token with a line in the log, to what cannot be avoided", f.ratios(), maxLoggedCost)
	}
	if f := of[fleet]; f != nil {
		most("shared_cpu", "CPU time of a token that a fleet asks for, µs", []float64{micro(f.cpu)}, maxFleetUS)
	}
	most("idle_resident", "idle memory, MB", []float64{r.Idle.Resident}, maxResidentMB)
	most("idle_anonymous", "idle memory of its own, MB", []float64{r.Idle.Anonymous}, maxAnonymous)
	most("binary", "size of the binary, MiB", []float64{r.Binary}, maxBinaryMiB)
	f := of[plain]
	if f == nil {
		return
	}
	most("cost", "CPU time of a token, to what cannot be avoided", f.ratios(), maxCost)
	most("tail", fmt.Sprintf("p99 to p50 under %.0f %% of the greatest load", 100*load),
		f.each(func(i int) float64 { return float64(f.p99[i]) / float64(f.p50[i]) }), maxTail)
	v := verdict{ID: "crowded", Limit: minCrowded, Value: median(f.each(func(i int) float64 { return f.crowded[i] * f.unavoidable(i).Seconds() }))}
	v.OK = v.Value >= v.Limit
	v.text = fmt.Sprintf("throughput at %d connections, to what cannot be avoided: %.2f (at least %.2f)", crowd, v.Value, v.Limit)
	r.Verdicts = append(r.Verdicts, v)
	for _, other := range []struct {
		id, text string
		limit    float64
	}{
		{remembered, "a remembered password to an access token", maxRemembered},
		{scopes60, "60 scopes to one", maxScopes},
		{largest, "the subject with the most permissions to one with 10", maxLargest},
	} {
		if one := of[other.id]; one != nil {
			most(other.id, other.text, one.over(f), other.limit)
		}
	}
}

func (r *report) passed() bool {
	return !slices.ContainsFunc(r.Verdicts, func(v verdict) bool { return !v.OK })
}

func (r *report) write(out io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	costs := tables.New(out, fmt.Sprintf("%d connections, µs", r.Connections), "requests/s", "p50", "p99", "CPU", "allocations", "KB", "memory, MB", "its own", "answer",
		"respond", "ES256", "ratio")
	for _, c := range r.Cases {
		costs.AppendRow(table.Row{
			c.Title, whole(c.PerSecond), whole(c.P50), whole(c.P99), tenth(c.CPU), known(c.Allocations, whole), known(c.Allocated, tenth), tenth(c.Resident), tenth(c.Anonymous), c.Size,
			tenth(c.Respond), tenth(c.Signature), fmt.Sprintf("×%.2f", c.Ratio),
		})
	}
	costs.Render()
	fmt.Fprintln(out)
	for _, v := range r.Verdicts {
		line := v.text
		if !v.OK {
			line += ": EXCEEDED"
		}
		fmt.Fprintln(out, line)
	}
	return nil
}

func whole(f float64) string { return fmt.Sprintf("%.0f", f) }

func tenth(f float64) string { return fmt.Sprintf("%.1f", f) }

// known is nothing for what another program does not tell.
func known(f float64, text func(float64) string) string {
	if f == 0 {
		return "-"
	}
	return text(f)
}
