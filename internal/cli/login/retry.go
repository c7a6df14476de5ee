package login

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/duration"
)

const (
	// tries is how often a server is asked that is busy or away: it may be starting,
	// as a job does.
	tries = 3
	// firstWait is how long to wait where a server does not say, doubled each time.
	firstWait = time.Second
	// longestWait bounds what a server may ask for.
	longestWait = 15 * time.Second
)

// patience asks again what may succeed soon.
type patience struct {
	warnings io.Writer
	// wait waits. Default: until a timer or the context ends.
	wait func(ctx context.Context, d time.Duration) error
}

// temporary is an error that says whether to ask again, and when.
type temporary interface {
	error
	RetryAfter() (time.Duration, bool)
}

func (p patience) do(ctx context.Context, ask func() error) error {
	for try, next := 1, firstWait; ; try, next = try+1, 2*next {
		err := ask()
		if err == nil || try == tries {
			return err
		}
		after, again := mayPass(err)
		if !again {
			return err
		}
		if after == 0 {
			after = next
		}
		after = min(after, longestWait)
		cli.Warnf(p.warnings, "Warning: %v; trying again in %s", err, duration.Format(after))
		wait := p.wait
		if wait == nil {
			wait = sleep
		}
		if wait(ctx, after) != nil {
			return err
		}
	}
}

// mayPass reports whether another attempt may succeed, and after what time, if that
// is known.
func mayPass(err error) (time.Duration, bool) {
	if t, ok := errors.AsType[temporary](err); ok {
		return t.RetryAfter()
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return 0, false
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return 0, false
	}
	_, ok := errors.AsType[net.Error](err)
	return 0, ok || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// statusError is an answer of a registry that is no challenge.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string { return e.text }

// RetryAfter reports whether another attempt may succeed.
func (e *statusError) RetryAfter() (time.Duration, bool) {
	switch e.code {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return 0, true
	default:
		return 0, false
	}
}
