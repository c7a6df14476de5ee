package flood

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// usage is what a server takes of a machine.
type usage struct {
	// resident is memory in bytes.
	resident    int64
	goroutines  int64
	descriptors int64
}

func (u usage) String() string {
	return fmt.Sprintf("%d MB, %d goroutines, %d descriptors", u.resident>>20, u.goroutines, u.descriptors)
}

// watch notes the most that the server takes, until the context ends.
func (s *server) watch(ctx context.Context) {
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for {
		goroutines, err := s.goroutines(ctx)
		if err == nil {
			s.peak.goroutines = max(s.peak.goroutines, goroutines)
		}
		if descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID())); err == nil {
			s.peak.descriptors = max(s.peak.descriptors, int64(len(descriptors)))
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
	}
}

// usage is what the server takes now.
func (s *server) usage(t *testing.T) usage {
	t.Helper()
	goroutines, err := s.goroutines(t.Context())
	require.NoError(t, err)
	descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID()))
	require.NoError(t, err)
	return usage{s.status(t, "VmRSS"), goroutines, int64(len(descriptors))}
}

// resetPeak makes [server.peakResident] count from now on.
func (s *server) resetPeak(t *testing.T) {
	t.Helper()
	const peakOfResident = "5"
	require.NoError(t, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.PID()), []byte(peakOfResident), 0o600))
}

func (s *server) peakResident(t *testing.T) int64 {
	t.Helper()
	return s.status(t, "VmHWM")
}

// status reads what Linux says of the memory of the server, in bytes.
func (s *server) status(t *testing.T, field string) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			kilobytes, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			require.NoError(t, err)
			return kilobytes << 10
		}
	}
	t.Fatalf("no %s of process %d", field, s.PID())
	return 0
}

// goroutines asks the server how many it has.
func (s *server) goroutines(ctx context.Context) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.metrics, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(metrics)) {
		if value, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("no go_goroutines at %s", s.metrics)
}
