package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/subject"
)

const (
	// crashWriters write at once. Some of them must wait when a kill comes.
	crashWriters = 4
	// longestLife of a server that is ready.
	longestLife = 300 * time.Millisecond
	// crashChecks is after how many kills the whole file and the whole audit
	// are checked, too.
	crashChecks = 50
)

// kills is how often [TestCrashes] kills the server: make soak has more.
func kills(t *testing.T) int {
	t.Helper()
	if s := os.Getenv("DOCKIT_TEST_KILLS"); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err, "DOCKIT_TEST_KILLS=%q: write a number", s)
		require.GreaterOrEqual(t, n, 1, "DOCKIT_TEST_KILLS=%q: write a number", s)
		return n
	}
	if testing.Short() {
		return 10
	}
	return 100
}

// TestCrashes kills a server with SIGKILL at random moments while several
// clients write, and starts it again on the same database. After each kill,
// everything that was acknowledged is there, and what was not is there as a
// whole or not at all, and remains so.
func TestCrashes(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	h := newCrashes(t)
	n := kills(t)
	started := time.Now()
	for generation := range n {
		p := h.start()
		h.settle()
		if generation%crashChecks == 0 {
			h.checkAll(p)
		}
		// Most lives are short: a change takes some ms, and the next start takes longer.
		life := time.Duration(random.Float64() * random.Float64() * float64(longestLife))
		h.writeUntilKilled(p, generation, life)
		require.False(t, t.Failed(), "after %d kills", generation+1)
	}
	p := h.start()
	h.settle()
	h.checkAll(p)
	p.kill()
	t.Logf("%d kills in %s: %d changes acknowledged, %d in doubt of which %d had happened; %d facts at the end",
		n, time.Since(started).Round(time.Second), h.acknowledged, h.doubtful, h.happened, len(h.facts))
}

// operation is one change: facts that end with it and facts that begin.
type operation struct {
	minus, plus []string
	send        func(c *client.Client) error
}

// crashes is what a test knows of the database.
type crashes struct {
	t     *testing.T
	dir   string
	token string
	// head is the newest entry of the audit that was ever seen.
	head audit.Head

	mu sync.Mutex
	// facts are what must be in the database, and nothing else.
	facts map[string]bool
	// doubts are sent and not answered, because the server was killed.
	doubts []operation

	acknowledged, doubtful, happened int
}

func newCrashes(t *testing.T) *crashes {
	h := &crashes{t: t, dir: t.TempDir(), facts: map[string]bool{}}
	p := startKilled(t, h.dir, "--root-user", "admin", "--root-password", "correct-horse-battery")
	admin := subject.Ref{Kind: subject.User, Name: "admin"}
	issued, err := p.client(t, "correct-horse-battery").CreateAccessToken(t.Context(), admin, adminapi.NewAccessToken{Name: "test"})
	require.NoError(t, err)
	h.token = issued.Token
	p.kill()
	return h
}

func (h *crashes) start() *killed {
	h.t.Helper()
	return startKilled(h.t, h.dir)
}

func (h *crashes) database() string { return filepath.Join(h.dir, "dockit.sqlite") }

// writeUntilKilled lets several clients write until the server is killed.
func (h *crashes) writeUntilKilled(p *killed, generation int, life time.Duration) {
	var wg sync.WaitGroup
	for writer := range crashWriters {
		wg.Go(func() {
			c := p.client(h.t, h.token)
			for i := 0; ; i++ {
				for _, op := range crashOperations(fmt.Sprintf("g%d-%d-%d", generation, writer, i)) {
					if !h.try(p, c, op) {
						return
					}
				}
			}
		})
	}
	time.Sleep(life) // when the kill comes is the test
	p.kill()
	wg.Wait()
}

// try sends a change, and reports whether it was acknowledged.
func (h *crashes) try(p *killed, c *client.Client, op operation) bool {
	err := op.send(c)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.acknowledged++
		h.apply(op)
		return true
	}
	assert.True(h.t, p.wasKilled(), "refused: %v", err)
	h.doubtful++
	h.doubts = append(h.doubts, op)
	return false
}

func (h *crashes) apply(op operation) {
	for _, fact := range op.minus {
		delete(h.facts, fact)
	}
	for _, fact := range op.plus {
		h.facts[fact] = true
	}
}

// settle finds out what became of each doubtful change: all of it or nothing.
// Whatever that is, it must remain so.
func (h *crashes) settle() {
	h.t.Helper()
	if len(h.doubts) == 0 {
		return
	}
	there := readFacts(h.t, h.database(), "g")
	for _, op := range h.doubts {
		gone, come := 0, 0
		for _, fact := range op.minus {
			if !there[fact] {
				gone++
			}
		}
		for _, fact := range op.plus {
			if there[fact] {
				come++
			}
		}
		switch {
		case gone == len(op.minus) && come == len(op.plus):
			h.happened++
			h.apply(op)
		case gone != 0 || come != 0:
			h.t.Errorf("half done: %d of %v are gone, %d of %v have come", gone, op.minus, come, op.plus)
		}
	}
	h.doubts = nil
	h.compare(there)
}

func (h *crashes) compare(there map[string]bool) {
	h.t.Helper()
	if maps.Equal(there, h.facts) {
		return
	}
	for _, fact := range slices.Sorted(maps.Keys(h.facts)) {
		assert.True(h.t, there[fact], "lost though it was acknowledged: %s", fact)
	}
	for _, fact := range slices.Sorted(maps.Keys(there)) {
		assert.True(h.t, h.facts[fact], "there though it was not, or removed: %s", fact)
	}
}

// checkAll checks the file and the whole audit.
func (h *crashes) checkAll(p *killed) {
	h.t.Helper()
	checkDatabase(h.t, h.database())
	h.compare(readFacts(h.t, h.database(), "g"))
	h.head = verifyChain(h.t, p.client(h.t, h.token), h.head)
}
