package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/issuer"
)

const (
	// maxSlower is how often as long as in quiet others may wait while tokens with unknown keys come in.
	maxSlower = 2
	// others log in so many times a second.
	others = 50
	// windows is how long quiet and flood last in turns.
	windows = 5 * time.Second
)

// unknownKeys sends tokens whose keys nobody knows, each with another one, and has others log in with an access token meanwhile.
// Quiet and flood take turns, so that what else the machine does meets both.
func unknownKeys(ctx context.Context, o options, folder string) (figures []figure, err error) {
	dir, err := subfolder(folder, "dockit")
	if err != nil {
		return nil, err
	}
	s, err := startSite(ctx, dockit.Config{Binary: o.programs.dockit, Dir: dir})
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return nil, err
	}
	f := &flood{site: s, stranger: stranger()}
	if f.accessToken, err = s.accessToken(ctx); err != nil {
		return nil, err
	}
	if err := f.sign(o.tokens); err != nil {
		return nil, err
	}
	say("sending %d tokens with unknown keys, %g a second, in turns with quiet", o.tokens, o.rate)
	if _, err := f.window(ctx, windows/5, 0); err != nil { // when everything is new
		return nil, err
	}
	asked, began := s.issuer.Asked(), time.Now()
	var quiet, flooded []float64
	for len(f.tokens) > 0 {
		for _, w := range []struct {
			rate float64
			into *[]float64
		}{{0, &quiet}, {o.rate, &flooded}} {
			took, err := f.window(ctx, windows, w.rate)
			if err != nil {
				return nil, err
			}
			*w.into = append(*w.into, took...)
		}
	}
	minutes := math.Ceil(time.Since(began).Minutes())
	asked = s.issuer.Asked() - asked
	before, during := quantile(quiet, 0.99), quantile(flooded, 0.99)
	return []figure{
		told("unknown_sent", "tokens with unknown keys", float64(f.sent.Load())),
		promised("unknown_taken", "of these, those that were not refused as they should", float64(f.wrong.Load()), 0, ""),
		promised("unknown_asked", "times that the issuer was asked meanwhile, by one a minute at most", float64(asked), minutes, ""),
		told("unknown_quiet_ms", "others' logins in quiet, p99 in milliseconds", before),
		told("unknown_flood_ms", "others' logins in the flood, p99 in milliseconds", during),
		promised("unknown_slower", "of these, the second by the first", during/before, maxSlower, fmt.Sprintf("p50: %.2f and %.2f", median(quiet), median(flooded))),
		promised("unknown_others", "others' logins that were refused", float64(f.failed.Load()), 0, ""),
	}, nil
}

// flood is who sends tokens, and who logs in meanwhile.
type flood struct {
	*site
	stranger            *http.Client
	accessToken         string
	tokens              chan string
	sent, wrong, failed atomic.Int64
}

// stranger comes from a network of its own.
func stranger() *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		MaxIdleConnsPerHost: 100,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}}
}

// sign makes the tokens before anything is measured.
func (f *flood) sign(count int) error {
	f.tokens = make(chan string, count)
	defer close(f.tokens)
	for range count {
		token, err := f.issuer.Sign(issuer.Token{Audience: service, KeyID: rand.Text(), Life: time.Hour})
		if err != nil {
			return err
		}
		f.tokens <- token
	}
	return nil
}

// window has others log in for a while, and sends tokens at a rate. It returns how long others waited, in milliseconds.
func (f *flood) window(ctx context.Context, length time.Duration, rate float64) ([]float64, error) {
	var all sync.WaitGroup
	var mu sync.Mutex
	var took []float64
	var failed error
	note := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		failed = errors.Join(failed, err)
	}
	all.Go(func() {
		note(every(ctx, length, time.Second/others, &all, func() {
			began := time.Now()
			a, err := f.login(ctx, f.accessToken, "")
			if err != nil {
				note(err)
				return
			}
			if !a.OK() {
				f.failed.Add(1)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, float64(time.Since(began).Microseconds())/1000)
		}))
	})
	if rate > 0 {
		all.Go(func() {
			note(every(ctx, length, time.Duration(float64(time.Second)/rate), &all, func() {
				if token, ok := <-f.tokens; ok {
					note(f.send(ctx, token))
				}
			}))
		})
	}
	all.Wait()
	return took, failed
}

func (f *flood) send(ctx context.Context, token string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL+tokenPath, nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth(robot, token)
	resp, err := f.stranger.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f.sent.Add(1)
	if resp.StatusCode != http.StatusUnauthorized {
		f.wrong.Add(1)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// every calls f in a goroutine of its own again and again, whether the one before has come to its end or not.
func every(ctx context.Context, length, interval time.Duration, all *sync.WaitGroup, f func()) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for began := time.Now(); time.Since(began) < length; {
		select {
		case <-ticker.C:
			all.Go(f)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
