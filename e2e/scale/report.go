package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/dockit-registry/dockit/e2e/internal/tables"
)

// What is promised for the large database.
const (
	maxTokenRatio = 1.5
	maxIdleMB     = 120
)

// report is what is printed. Its form in JSON is stable.
type report struct {
	SmallUsers int         `json:"small_users"`
	LargeUsers int         `json:"large_users"`
	Costs      []cost      `json:"costs"`
	Memory     []footprint `json:"memory"`
	Verdicts   []verdict   `json:"verdicts"`
}

// cost is that of one thing to do. Times are in milliseconds.
type cost struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Small spent  `json:"small"`
	Large spent  `json:"large"`
	// Ratio is that of the CPU times, the median of the rounds: each round of the large database is compared with that
	// of the small one just before it.
	Ratio float64 `json:"ratio"`
}

type spent struct {
	CPU    float64 `json:"cpu_ms"`
	Median float64 `json:"median_ms"`
	P99    float64 `json:"p99_ms"`
}

type footprint struct {
	ID    string  `json:"id"`
	Title string  `json:"title"`
	Small float64 `json:"small_mb"`
	Large float64 `json:"large_mb"`
}

// verdict compares a figure with what is promised.
type verdict struct {
	ID    string  `json:"id"`
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
	OK    bool    `json:"ok"`
	text  string
}

func newReport(small, large *database, of, ol *figures) *report {
	r := &report{SmallUsers: small.users, LargeUsers: large.users}
	costs := []work{{id: "open", title: "start until /readyz"}}
	costs = append(append(costs, listings...), asking...)
	costs = append(costs, work{id: "users_all", title: "list all users, each page of 1,000"}, work{id: "export", title: "export everything"})
	for _, w := range costs {
		r.Costs = append(r.Costs, cost{w.id, w.title, of.spent(w.id), ol.spent(w.id), ratio(of.cpu[w.id], ol.cpu[w.id])})
	}
	for _, m := range []footprint{
		{ID: "memory_started", Title: "idle after the start"},
		{ID: "memory_listed", Title: "idle after listing"},
		{ID: "memory_asked", Title: "idle after tokens and logins"},
		{ID: "memory_peak", Title: "peak of all that"},
		{ID: "memory_export", Title: "peak of an export"},
		{ID: "memory_exported", Title: "idle after an export"},
	} {
		m.Small, m.Large = slices.Max(of.megabytes[m.ID]), slices.Max(ol.megabytes[m.ID])
		r.Memory = append(r.Memory, m)
	}
	r.judge()
	return r
}

func (f *figures) spent(id string) spent {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return spent{ms(quantile(f.cpu[id], 0.5)), ms(quantile(f.latencies[id], 0.5)), ms(quantile(f.latencies[id], 0.99))}
}

// ratio is zero where the small database used too little CPU time to compare with.
func ratio(small, large []time.Duration) float64 {
	var all []float64
	for i := range small {
		if small[i] > 0 {
			all = append(all, float64(large[i])/float64(small[i]))
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// judge takes the worst of all token requests, and of all times when the server was idle.
func (r *report) judge() {
	tokens := verdict{ID: "token_cost", Limit: maxTokenRatio}
	for _, c := range r.Costs {
		if slices.Contains([]string{"token_robot", "token_cold", "token_warm", "token_password"}, c.ID) {
			tokens.Value = max(tokens.Value, c.Ratio)
		}
	}
	tokens.text = fmt.Sprintf("token request cost: ×%.2f (limit %.1f)", tokens.Value, tokens.Limit)
	idle := verdict{ID: "idle_memory", Limit: maxIdleMB}
	for _, m := range r.Memory {
		if slices.Contains([]string{"memory_started", "memory_listed", "memory_asked"}, m.ID) {
			idle.Value = max(idle.Value, m.Large)
		}
	}
	idle.text = fmt.Sprintf("idle memory: %.0f MB (limit %.0f)", idle.Value, idle.Limit)
	for _, v := range []verdict{tokens, idle} {
		v.OK = v.Value <= v.Limit
		r.Verdicts = append(r.Verdicts, v)
	}
}

func (r *report) passed() bool {
	return !slices.ContainsFunc(r.Verdicts, func(v verdict) bool { return !v.OK })
}

func (r *report) write(out io.Writer, format string) error {
	if format == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	small, large := thousands(r.SmallUsers), thousands(r.LargeUsers)
	costs := tables.New(out, "milliseconds", "CPU, "+small, "CPU, "+large, "ratio", "median, "+small, "median, "+large, "p99, "+small, "p99, "+large)
	for _, c := range r.Costs {
		costs.AppendRow(table.Row{
			c.Title, decimals(c.Small.CPU), decimals(c.Large.CPU), times(c.Ratio),
			decimals(c.Small.Median), decimals(c.Large.Median), decimals(c.Small.P99), decimals(c.Large.P99),
		})
	}
	costs.Render()
	fmt.Fprintln(out)
	megabytes := tables.New(out, "memory of the server, MB", small, large)
	for _, m := range r.Memory {
		megabytes.AppendRow(table.Row{m.Title, fmt.Sprintf("%.0f", m.Small), fmt.Sprintf("%.0f", m.Large)})
	}
	megabytes.Render()
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

func decimals(ms float64) string { return fmt.Sprintf("%.2f", ms) }

func times(ratio float64) string {
	if ratio == 0 {
		return "-"
	}
	return fmt.Sprintf("×%.2f", ratio)
}

func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
