package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/cores"
	"github.com/dockit-registry/dockit/e2e/internal/processtime"
)

// signature is the CPU time of one bare ES256 signature on a core, from so long a loop of them.
func signature(core int, length time.Duration) (each time.Duration, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, fmt.Errorf("make a key: %w", err)
	}
	digest := sha256.Sum256([]byte("a token"))
	err = cores.On(core, func() error {
		const atOnce = 16
		before, err := processtime.OfThread()
		if err != nil {
			return err
		}
		made := 0
		for began := time.Now(); time.Since(began) < length; made += atOnce {
			for range atOnce {
				if _, err := ecdsa.SignASN1(rand.Reader, key, digest[:]); err != nil {
					return fmt.Errorf("sign: %w", err)
				}
			}
		}
		after, err := processtime.OfThread()
		each = (after - before) / time.Duration(made)
		return err
	})
	return each, err
}
