package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/process"
)

// usage is what one server holds at a moment.
type usage struct {
	Goroutines  int `json:"goroutines"`
	Descriptors int `json:"descriptors"`
	// Resident is all memory of the process that is its own, and Heap what Go has in use in it after a collection. MB.
	Resident float64 `json:"resident_mb"`
	Heap     float64 `json:"heap_mb"`
}

const mega = 1 << 20

// profiles has a timeout of its own: the server may be busy.
var profiles = &http.Client{Timeout: 30 * time.Second}

// target is a process that is measured. Who has no profile holds connections and memory, and tells nothing of the rest.
type target struct {
	*process.Process
	title   string
	profile string
	// dumps are the profiles of the beginning, by name of the file.
	dumps map[string][]byte
}

// usage asks a server, and Linux about it. With collect, garbage is collected first.
func (n *target) usage(ctx context.Context, collect bool) (u usage, err error) {
	if n.profile == "" {
		return u, u.ofProcess(n.PID())
	}
	heap := "heap?debug=1"
	if collect {
		heap += "&gc=1"
	}
	text, err := n.read(ctx, heap)
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "# HeapAlloc = "); ok {
			bytes, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				return u, fmt.Errorf("read the heap of %s: %w", n, err)
			}
			u.Heap = bytes / mega
		}
	}
	if text, err = n.read(ctx, "goroutine?debug=1"); err != nil {
		return u, err
	}
	if _, err := fmt.Sscanf(string(text), "goroutine profile: total %d", &u.Goroutines); err != nil {
		return u, fmt.Errorf("read the goroutines of %s: %w", n, err)
	}
	return u, u.ofProcess(n.PID())
}

// ofProcess fills in what Linux knows.
func (u *usage) ofProcess(pid int) error {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return fmt.Errorf("count the descriptors of a server, which takes a Linux: %w", err)
	}
	u.Descriptors = len(open)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return fmt.Errorf("read the memory of a server: %w", err)
	}
	// Not VmRSS: pages of the program and of the database file come and go with what else the machine does.
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kilobytes, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			u.Resident = kilobytes / 1024
			return err
		}
	}
	return fmt.Errorf("/proc/%d/status has no line RssAnon", pid)
}

// read gets one profile.
func (n *target) read(ctx context.Context, profile string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.profile+"/debug/pprof/"+profile, nil)
	if err != nil {
		return nil, err
	}
	resp, err := profiles.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", req.URL, resp.Status, text)
	}
	return text, err
}

// dumped are the profiles that explain a growth. Those of the beginning are there to compare with.
var dumped = map[string]string{"goroutines": "goroutine?debug=1", "heap": "heap?gc=1&debug=1", "heap.pprof": "heap"}

// keepDumps remembers those of the beginning.
func (s *site) keepDumps(ctx context.Context) error {
	for _, n := range s.nodes {
		for name, profile := range dumped {
			text, err := n.read(ctx, profile)
			if err != nil {
				return err
			}
			n.dumps["before-"+name] = text
		}
	}
	return nil
}

// dump writes those of the beginning and those of the end to a folder.
func (s *site) dump(ctx context.Context, folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for i, n := range s.nodes {
		for name, profile := range dumped {
			text, err := n.read(ctx, profile)
			if err != nil {
				return err
			}
			n.dumps["after-"+name] = text
		}
		n.dumps["output"] = []byte(n.Server.Output())
		for name, text := range n.dumps {
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("node%d-%s", i+1, name)), text, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle waits for quiet, at most for so long: until every server holds no more than before or, without a before, until
// nothing changes any more. It returns what each server holds then.
func (s *site) settle(ctx context.Context, limit time.Duration, before []usage) ([]usage, error) {
	call.CloseIdle()
	const calm = 5 // times that nothing changed
	last, same := make([]usage, len(s.targets)), 0
	for began := time.Now(); ; {
		now := make([]usage, len(s.targets))
		steady, held := true, before != nil
		for i, n := range s.targets {
			u, err := n.usage(ctx, true)
			if err != nil {
				return nil, err
			}
			now[i] = u
			steady = steady && u.Goroutines == last[i].Goroutines && u.Descriptors == last[i].Descriptors
			held = held && !grew(before[i], u)
		}
		if last = now; steady {
			same++
		} else {
			same = 0
		}
		if held || (before == nil && same >= calm) || time.Since(began) > limit {
			return now, nil
		}
		if err := pause(ctx, limit/60); err != nil {
			return nil, err
		}
	}
}

// watch samples what the servers hold while they work.
type watch struct {
	site    *site
	every   time.Duration
	samples [][]usage // by time, then by server
}

func newWatch(s *site, every time.Duration) *watch { return &watch{site: s, every: every} }

// run samples until the work ends. A sample that fails for that is none.
func (w *watch) run(ctx context.Context) error {
	for pause(ctx, w.every) == nil {
		var sample []usage
		for _, n := range w.site.targets {
			u, err := n.usage(ctx, false)
			if ctx.Err() != nil {
				return nil //nolint:nilerr // the work has ended, and with it the sample
			}
			if err != nil {
				return err
			}
			sample = append(sample, u)
		}
		w.samples = append(w.samples, sample)
	}
	return nil
}

// pause waits, or says that the context has ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
