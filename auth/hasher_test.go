package auth

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestHasherQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher()
		release := make(chan struct{})
		var wg sync.WaitGroup
		for range cap(h.slots) {
			wg.Go(func() { _ = h.do(t.Context(), func() { <-release }) })
		}
		synctest.Wait()
		errs := make(chan error, maxWaiting)
		for range maxWaiting {
			wg.Go(func() { errs <- h.do(t.Context(), func() {}) })
		}
		synctest.Wait()
		if err := h.do(t.Context(), func() { t.Error("worked beyond the bound") }); !errors.Is(err, ErrBusy) {
			t.Errorf("one more than may wait: %v", err)
		}
		close(release)
		wg.Wait()
		for range maxWaiting {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestHasherDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher()
		for range cap(h.slots) {
			h.slots <- struct{}{}
		}
		if d := took(func() {
			if err := h.do(t.Context(), func() {}); !errors.Is(err, ErrBusy) {
				t.Errorf("without a place: %v", err)
			}
		}); d != maxWait {
			t.Errorf("waited %s", d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.do(ctx, func() {}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if n := h.waiting.Load(); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}
