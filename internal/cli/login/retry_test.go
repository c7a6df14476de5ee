package login

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/tokenexchange"
)

// busy is a server that says when it has time.
type busy time.Duration

func (b busy) Error() string                     { return "busy" }
func (b busy) RetryAfter() (time.Duration, bool) { return time.Duration(b), b >= 0 }

// TestPatience guards how often and after what time a server is asked again.
func TestPatience(t *testing.T) {
	t.Parallel()
	refused := &url.Error{Op: "Get", URL: "https://a", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
	for name, tc := range map[string]struct {
		err   error
		waits []time.Duration
	}{
		"done":                    {nil, nil},
		"starting":                {fmt.Errorf("ask: %w", refused), []time.Duration{time.Second, 2 * time.Second}},
		"cut off":                 {&url.Error{Op: "Post", URL: "https://a", Err: io.EOF}, []time.Duration{time.Second, 2 * time.Second}},
		"busy":                    {busy(0), []time.Duration{time.Second, 2 * time.Second}},
		"busy for a while":        {busy(5 * time.Second), []time.Duration{5 * time.Second, 5 * time.Second}},
		"busy for an hour":        {busy(time.Hour), []time.Duration{longestWait, longestWait}},
		"refused for good":        {busy(-1), nil},
		"refused by the server":   {&tokenexchange.Refusal{Status: 400, Code: "invalid_request"}, nil},
		"anything else":           {errors.New("no"), nil},
		"a name that nobody has":  {&url.Error{Err: &net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}}, nil},
		"a certificate of others": {&url.Error{Err: &tls.CertificateVerificationError{Err: errors.New("unknown authority")}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var warnings bytes.Buffer
			var waits []time.Duration
			asked := 0
			p := patience{&warnings, func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }}
			err := p.do(t.Context(), func() error { asked++; return tc.err })
			assert.Equal(t, tc.err, err)
			assert.Equal(t, tc.waits, waits)
			assert.Equal(t, len(waits)+1, asked)
			assert.Equal(t, len(waits), bytes.Count(warnings.Bytes(), []byte("trying again in ")))
		})
	}
	t.Run("until it works", func(t *testing.T) {
		t.Parallel()
		asked := 0
		p := patience{io.Discard, func(context.Context, time.Duration) error { return nil }}
		require.NoError(t, p.do(t.Context(), func() error {
			if asked++; asked < tries {
				return busy(0)
			}
			return nil
		}))
		assert.Equal(t, tries, asked)
	})
	t.Run("until the caller leaves", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		asked := 0
		require.ErrorIs(t, patience{warnings: io.Discard}.do(ctx, func() error { asked++; return busy(0) }), busy(0))
		assert.Equal(t, 1, asked)
	})
}
