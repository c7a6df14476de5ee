package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"golang.org/x/time/rate"
)

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

// carrier speaks to a registry with a token.
type carrier struct {
	base, token string
	speed       speed
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
	_, err = io.Copy(into, c.over(ctx, resp.Body))
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

// upload begins an upload, and has the file of a layer sent there.
func (c *carrier) upload(ctx context.Context, l layer, send func(at string, file io.Reader) error) error {
	at, err := c.start(ctx)
	if err != nil {
		return err
	}
	file, err := os.Open(l.path)
	if err != nil {
		return err
	}
	defer file.Close()
	return send(at, file)
}

func (c *carrier) monolithic(ctx context.Context, l layer) error {
	return c.upload(ctx, l, func(at string, file io.Reader) error {
		_, err := c.send(ctx, http.StatusCreated, http.MethodPut, finished(at, l), c.over(ctx, file), l.size, io.Discard)
		return err
	})
}

func (c *carrier) chunked(ctx context.Context, l layer) error {
	return c.upload(ctx, l, func(at string, file io.Reader) error {
		header, err := c.send(ctx, http.StatusAccepted, http.MethodPatch, at, c.over(ctx, io.MultiReader(file)), -1, io.Discard)
		if err != nil {
			return err
		}
		_, err = c.send(ctx, http.StatusCreated, http.MethodPut, finished(header.Get("Location"), l), bytes.NewReader(nil), 0, io.Discard)
		return err
	})
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

// over is a reader at the other end of the carrier's line.
func (c *carrier) over(ctx context.Context, r io.Reader) io.Reader {
	if c.speed.perSecond == 0 {
		return r
	}
	return &limited{ctx: ctx, r: r, limiter: rate.NewLimiter(rate.Limit(c.speed.perSecond), 1<<20)}
}

// limited reads no faster than its limiter allows.
type limited struct {
	ctx     context.Context
	r       io.Reader
	limiter *rate.Limiter
}

func (l *limited) Read(b []byte) (int, error) {
	n, err := l.r.Read(b[:min(len(b), l.limiter.Burst())])
	if waited := l.limiter.WaitN(l.ctx, n); waited != nil {
		return n, waited
	}
	return n, err // io.EOF as it is
}

type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return len(b), nil
}
