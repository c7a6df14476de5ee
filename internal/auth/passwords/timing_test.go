package passwords

import (
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// BenchmarkSameTime measures wrong passwords for known, disabled and unknown
// users, one of each class an iteration, in random order:
//
//	go test -run '^$' -bench SameTime -benchtime 10000x ./internal/auth/passwords
//
// For each class it reports the ratio of its median to that of unknown users,
// and Welch's t of the two; beyond 4.5 a guesser could tell them apart. Checking
// a hash is replaced by a few microseconds of work, or its noise would hide
// everything else; that every class checks the same hashes is what TestSameWork
// shows.
func BenchmarkSameTime(b *testing.B) {
	s, err := store.Open(b.Context(), store.Config{Dialect: "sqlite", DSN: filepath.Join(b.TempDir(), "dockit.sqlite")}, zap.NewNop())
	require.NoError(b, err)
	d := cache.New(s, zap.NewNop())
	d.Start()
	seed := maphash.MakeSeed()
	c := New(Config{
		Store: s, Cache: d, Logger: zap.NewNop(), LoggedIn: func(store.LoginNetwork) {},
		Verify: func(hash, pw string) (bool, error) {
			for range 1000 {
				maphash.String(seed, hash+pw)
			}
			return false, nil
		},
	})
	b.Cleanup(func() {
		c.Close(context.Background())
		d.Close()
		assert.NoError(b, s.Close())
	})
	// As many of each class, so that the database looks the same to all.
	classes := []string{"known", "disabled", "unknown"}
	hash, yes := password.CurrentCost().Decoy(), true
	for i := range b.N {
		for _, class := range classes[:2] {
			ref := subject.Ref{Kind: subject.User, Name: fmt.Sprintf("%s-%d", class, i)}
			_, err := s.CreateSubject(b.Context(), store.NewSubject{Ref: ref, PasswordHash: hash})
			require.NoError(b, err)
			if class == "disabled" {
				_, err := s.UpdateSubject(b.Context(), ref, store.SubjectChange{Disabled: &yes}, 0)
				require.NoError(b, err)
			}
		}
	}
	samples := make(map[string][]float64)
	b.ResetTimer()
	for i := range b.N {
		for _, j := range rand.Perm(len(classes)) {
			name := fmt.Sprintf("%s-%d", classes[j], i)
			began := time.Now()
			_, err := c.Check(context.Background(), from(home, name, "wrong"))
			took := time.Since(began)
			require.ErrorIs(b, err, ErrInvalidCredentials)
			samples[classes[j]] = append(samples[classes[j]], float64(took))
		}
	}
	b.StopTimer()
	for _, class := range classes[:2] {
		b.ReportMetric(median(samples[class])/median(samples["unknown"]), class+"/unknown")
		b.ReportMetric(welch(samples[class], samples["unknown"]), class+"-t")
	}
}

func median(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[len(sorted)/2]
}

// welch is the statistic of Welch's t-test over the faster nine tenths of each:
// what is slower waited for the machine.
func welch(a, b []float64) float64 {
	meanA, varA := moments(a)
	meanB, varB := moments(b)
	return (meanA - meanB) / math.Sqrt(varA+varB)
}

// moments are the mean and the variance of the mean.
func moments(samples []float64) (mean, variance float64) {
	kept := slices.Sorted(slices.Values(samples))[:len(samples)*9/10]
	for _, x := range kept {
		mean += x
	}
	n := float64(len(kept))
	mean /= n
	for _, x := range kept {
		variance += (x - mean) * (x - mean)
	}
	return mean, variance / (n - 1) / n
}
