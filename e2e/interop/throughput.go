package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/registry"
	"github.com/dockit-registry/dockit/e2e/internal/tables"
)

const (
	// leastRatio is how much of the registry's own throughput is left through Dockit, at least.
	leastRatio = 0.95
	// mostGrowth is how much more memory Dockit may hold after many layers than after the first ones, in MiB.
	mostGrowth = 32
)

// ratio compares what goes through Dockit with what the registry does by itself.
type ratio struct {
	title string
	speed speed
	// own and through are seconds for the layer, in turns.
	own, through []float64
}

func (r ratio) value() float64 { return median(r.own) / median(r.through) }

// throughputs are what was measured of one host that serves both.
type throughputs struct {
	size   int64
	ratios []ratio
	// before and peak are the most memory of Dockit in MiB: after the first layers, and after all of them.
	before, peak float64
}

func (t *throughputs) failures() (all []string) {
	for _, r := range t.ratios {
		if r.speed.promised && r.value() < leastRatio {
			all = append(all, fmt.Sprintf("%s: %.2f of the registry's own throughput, at least %.2f is promised", r.title, r.value(), leastRatio))
		}
	}
	if t.peak-t.before > mostGrowth {
		all = append(all, fmt.Sprintf("memory grew from %.0f to %.0f MiB, at most %d more is promised", t.before, t.peak, mostGrowth))
	}
	return all
}

func (t *throughputs) write(out io.Writer) {
	w := tables.New(out, "LAYER OF "+strconv.FormatInt(t.size>>20, 10)+" MIB", "ITSELF MB/S", "THROUGH DOCKIT MB/S", "RATIO")
	for _, r := range t.ratios {
		speed := func(seconds []float64) string { return fmt.Sprintf("%.0f", float64(t.size)/1e6/median(seconds)) }
		w.AppendRow([]any{r.title, speed(r.own), speed(r.through), fmt.Sprintf("%.2f", r.value())})
	}
	w.AppendRow([]any{"most memory of Dockit after the first layers and after all, in MiB", fmt.Sprintf("%.0f", t.before), fmt.Sprintf("%.0f", t.peak), ""})
	w.Render()
}

func median(all []float64) float64 { return slices.Sorted(slices.Values(all))[len(all)/2] }

// measure sends a layer of that size to a registry and back, by itself and through Dockit, in turns.
func measure(ctx context.Context, p programs, folder string, size int64, rounds int) (_ *throughputs, err error) {
	kind := &siteKind{id: "throughput", title: "throughput", start: oneHost(registry.V3)}
	s, err := startSite(ctx, kind, p, filepath.Join(folder, kind.id))
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return nil, err
	}
	layer, err := newLayer(filepath.Join(s.folder, "layer"), size)
	if err != nil {
		return nil, err
	}
	result := &throughputs{size: size}
	for _, speed := range speeds {
		for _, d := range transfers {
			result.ratios = append(result.ratios, ratio{title: d.title + speed.title, speed: speed})
		}
	}
	for round := range rounds + 1 {
		if round == 1 { // once everything was new
			if result.before, err = memory(s.dockit.PID(), "VmHWM"); err != nil {
				return nil, err
			}
		}
		took, err := s.carryAll(ctx, layer, round)
		if err != nil {
			return nil, err
		}
		if round == 0 {
			continue // when everything is new
		}
		for i := range result.ratios {
			result.ratios[i].own = append(result.ratios[i].own, took[i].own)
			result.ratios[i].through = append(result.ratios[i].through, took[i].through)
		}
	}
	result.peak, err = memory(s.dockit.PID(), "VmHWM")
	return result, err
}

// transfer is a way of a layer to the registry or from it.
type transfer struct {
	title string
	do    func(*carrier, context.Context, layer) error
}

// transfers stand in the order in which one makes what the next one needs.
var transfers = []transfer{
	{"upload in one piece", (*carrier).monolithic},
	{"upload of unknown length", (*carrier).chunked},
	{"download", (*carrier).download},
}

// speed is that of the line of a client.
type speed struct {
	title string
	// perSecond is how many bytes it takes, or 0 for as many as the machine does.
	perSecond int64
	// promised is whether what goes through Dockit is held to leastRatio. Without a limit, the client, Dockit and the
	// registry share the machine, and what Dockit needs of it is taken from the others.
	promised bool
}

var speeds = []speed{
	{title: ""},
	{title: ", 2.5 Gbit/s", perSecond: 2_500_000_000 / 8, promised: true},
}

// taken are seconds.
type taken struct{ own, through float64 }

// carryAll does every transfer over every line, with the registry itself and through Dockit in turns, and returns what each took.
func (s *site) carryAll(ctx context.Context, l layer, round int) (all []taken, err error) {
	own, err := s.carrier(ctx, s.registryHost)
	if err != nil {
		return nil, err
	}
	through, err := s.carrier(ctx, s.host)
	if err != nil {
		return nil, err
	}
	carriers := []*carrier{own, through}
	if round%2 == 1 {
		slices.Reverse(carriers)
	}
	for _, speed := range speeds {
		for _, d := range transfers {
			var t taken
			for _, c := range carriers {
				c.speed = speed
				began := time.Now()
				if err := d.do(c, ctx, l); err != nil {
					return nil, fmt.Errorf("%s at %s: %w", d.title, c.base, err)
				}
				if took := time.Since(began).Seconds(); c == own {
					t.own = took
				} else {
					t.through = took
				}
			}
			all = append(all, t)
		}
	}
	for _, c := range carriers {
		c.client.CloseIdleConnections()
		if err := c.remove(ctx, l); err != nil {
			return nil, err
		}
	}
	// Or the disk is full of them.
	return all, os.RemoveAll(filepath.Join(s.folder, "registry", "storage"))
}

// carrier speaks to a host that serves the registry, about a repository of its own.
func (s *site) carrier(ctx context.Context, host string) (*carrier, error) {
	repository := strings.ToLower(rand.Text()) + "/app"
	token, err := s.token(ctx, "repository:"+repository+":*")
	return &carrier{base: "http://" + host + "/v2/" + repository + "/blobs/", token: token, client: &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}},
	}}, err
}

// token is one by which the admin may do what is asked for.
func (s *site) token(ctx context.Context, scope string) (string, error) {
	admin := s.admin
	a, err := admin.Send(ctx, http.MethodGet, "/v2/token?"+url.Values{"service": {s.service()}, "scope": {scope}}.Encode(), nil)
	if err != nil {
		return "", err
	}
	var got struct{ Token string }
	if err := json.Unmarshal(a.Body, &got); err != nil || got.Token == "" {
		return "", fmt.Errorf("get a token: %s", a)
	}
	return got.Token, nil
}

// memory is what Linux says of a process, in MiB.
func memory(pid int, name string) (float64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	match := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(content)
	if match == nil {
		return 0, fmt.Errorf("/proc/%d/status says nothing about %s", pid, name)
	}
	kilobytes, err := strconv.ParseFloat(string(match[1]), 64)
	return kilobytes / 1024, err
}
