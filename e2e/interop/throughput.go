package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
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
		if r.value() < leastRatio {
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
	result := &throughputs{size: size, ratios: []ratio{
		{title: "upload in one piece"}, {title: "upload of unknown length"}, {title: "download"},
	}}
	for round := range rounds + 1 {
		if round == 1 { // once everything was new
			if result.before, err = memory(s.dockit.PID(), "VmHWM"); err != nil {
				return nil, err
			}
		}
		hosts := []string{s.registryHost, s.host}
		if round%2 == 1 {
			slices.Reverse(hosts)
		}
		for _, host := range hosts {
			took, err := s.carry(ctx, host, layer)
			if err != nil {
				return nil, err
			}
			if round == 0 {
				continue // when everything is new
			}
			for i, seconds := range took {
				if host == s.host {
					result.ratios[i].through = append(result.ratios[i].through, seconds)
				} else {
					result.ratios[i].own = append(result.ratios[i].own, seconds)
				}
			}
		}
	}
	result.peak, err = memory(s.dockit.PID(), "VmHWM")
	return result, err
}

// layer is a file with its digest.
type layer struct {
	path, digest string
	size         int64
}

func newLayer(path string, size int64) (layer, error) {
	l := layer{path: path, size: size}
	file, err := os.Create(path)
	if err != nil {
		return l, err
	}
	block, sum := make([]byte, 1<<20), sha256.New()
	_, _ = rand.Read(block) // it never fails
	content := io.LimitReader(&endless{block: block}, size)
	_, err = io.Copy(io.MultiWriter(file, sum), content)
	l.digest = fmt.Sprintf("sha256:%x", sum.Sum(nil))
	return l, errors.Join(err, file.Close())
}

// endless repeats a block for ever.
type endless struct {
	block []byte
	at    int
}

func (e *endless) Read(into []byte) (int, error) {
	n := copy(into, e.block[e.at:])
	e.at = (e.at + n) % len(e.block)
	return n, nil
}

// carry uploads a layer twice, in one piece and in one of unknown length, and downloads it, and returns what each took in seconds.
func (s *site) carry(ctx context.Context, host string, l layer) ([]float64, error) {
	repository := strings.ToLower(rand.Text()) + "/app"
	c := &carrier{base: "http://" + host + "/v2/" + repository + "/blobs/", client: &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}},
	}}
	defer c.client.CloseIdleConnections()
	var err error
	if c.token, err = s.token(ctx, "repository:"+repository+":*"); err != nil {
		return nil, err
	}
	var all []float64
	for _, deed := range []func(context.Context, layer) error{c.monolithic, c.chunked, c.download} {
		began := time.Now()
		if err := deed(ctx, l); err != nil {
			return nil, err
		}
		all = append(all, time.Since(began).Seconds())
	}
	// Or the disk is full of them.
	return all, errors.Join(c.remove(ctx, l), os.RemoveAll(filepath.Join(s.folder, "registry", "storage")))
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

// carrier speaks to a registry with a token.
type carrier struct {
	base, token string
	client      *http.Client
}

func (c *carrier) send(ctx context.Context, want int, method, target string, body io.Reader, length int64, into io.Writer) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = length
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != want {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // for the message alone
		return nil, fmt.Errorf("%s %s: %s: %s", method, target, resp.Status, said)
	}
	_, err = io.Copy(into, resp.Body)
	return resp.Header, err
}

// start begins an upload, and returns where it goes on with what is added to the query.
func (c *carrier) start(ctx context.Context) (string, error) {
	header, err := c.send(ctx, http.StatusAccepted, http.MethodPost, c.base+"uploads/", nil, 0, io.Discard)
	if err != nil {
		return "", err
	}
	return header.Get("Location"), nil
}

func finished(at string, l layer) string { return at + "&digest=" + url.QueryEscape(l.digest) }

func (c *carrier) monolithic(ctx context.Context, l layer) error {
	at, err := c.start(ctx)
	if err != nil {
		return err
	}
	file, err := os.Open(l.path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = c.send(ctx, http.StatusCreated, http.MethodPut, finished(at, l), file, l.size, io.Discard)
	return err
}

func (c *carrier) chunked(ctx context.Context, l layer) error {
	at, err := c.start(ctx)
	if err != nil {
		return err
	}
	file, err := os.Open(l.path)
	if err != nil {
		return err
	}
	defer file.Close()
	header, err := c.send(ctx, http.StatusAccepted, http.MethodPatch, at, io.MultiReader(file), -1, io.Discard)
	if err != nil {
		return err
	}
	_, err = c.send(ctx, http.StatusCreated, http.MethodPut, finished(header.Get("Location"), l), bytes.NewReader(nil), 0, io.Discard)
	return err
}

func (c *carrier) download(ctx context.Context, l layer) error {
	counted := &counter{}
	_, err := c.send(ctx, http.StatusOK, http.MethodGet, c.base+l.digest, nil, 0, counted)
	if err == nil && counted.n != l.size {
		err = fmt.Errorf("%d bytes of %d came back", counted.n, l.size)
	}
	return err
}

func (c *carrier) remove(ctx context.Context, l layer) error {
	_, err := c.send(ctx, http.StatusAccepted, http.MethodDelete, c.base+l.digest, nil, 0, io.Discard)
	return err
}

type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return len(b), nil
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
