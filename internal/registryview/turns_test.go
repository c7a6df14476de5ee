package registryview

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/registryclient"
)

// TestTurns guards that who has one waits for the next, that as many have one as there are places, and that nothing is left.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(2, 1)
		var mu sync.Mutex
		var took []string
		ends := map[string]func(){}
		ask := func(ctx context.Context, viewer, as string) {
			go func() {
				done, err := turns.take(ctx, viewer)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					as, done = as+" gave up", func() {}
				}
				took, ends[as] = append(took, as), done
			}()
			synctest.Wait()
		}
		end := func(as string) {
			ends[as]()
			synctest.Wait()
		}
		impatient, giveUp := context.WithCancel(t.Context())
		ask(t.Context(), "alice", "alice 1")
		ask(t.Context(), "alice", "alice 2")
		ask(impatient, "alice", "alice 3")
		ask(t.Context(), "bob", "bob 1")
		ask(t.Context(), "carol", "carol 1")
		ask(impatient, "dave", "dave 1")
		assert.Equal(t, []string{"alice 1", "bob 1"}, took)
		giveUp()
		synctest.Wait()
		assert.ElementsMatch(t, []string{"alice 3 gave up", "dave 1 gave up"}, took[2:])
		took = nil
		end("alice 1")
		assert.Equal(t, []string{"carol 1"}, took, "who waited longer for a place")
		end("bob 1")
		assert.Equal(t, []string{"carol 1", "alice 2"}, took)
		end("alice 2")
		end("carol 1")
		assert.Empty(t, turns.own)
		assert.Empty(t, turns.places)
	})
}

// TestOneViewerLeavesRoomForOthers guards that whoever asks for lists of tags that take long does not have others wait for theirs.
func TestOneViewerLeavesRoomForOthers(t *testing.T) {
	const lists = 2 * listAtOnce
	slow, others := make(chan string, lists), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if name := strings.TrimSuffix(strings.TrimPrefix(q.URL.Path, "/v2/"), "/tags/list"); strings.HasPrefix(name, "slow/") {
			slow <- name
			select {
			case <-others:
			case <-q.Context().Done():
			}
		}
		_, _ = io.WriteString(w, `{"tags":[]}`)
	}))
	t.Cleanup(server.Close)
	r := look(t, server.URL)
	var done sync.WaitGroup
	for i := range lists {
		done.Go(func() {
			_, err := r.Tags(t.Context(), viewer(t, "alice", "repository:**:pull"), fmt.Sprintf("slow/%d", i), Query{})
			assert.NoError(t, err)
		})
	}
	<-slow
	_, err := r.Tags(t.Context(), viewer(t, "bob", "repository:**:pull"), "team/app", Query{})
	require.NoError(t, err)
	assert.Empty(t, slow, "one at a time")
	close(others)
	done.Wait()
}

// TestOneViewerLeavesRoomForOtherQuestions guards that whoever looks at many images of a registry that answers slowly leaves room for
// what others ask it.
func TestOneViewerLeavesRoomForOtherQuestions(t *testing.T) {
	const images = 2 * atOnce
	slow, others := make(chan string, images), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasPrefix(q.URL.Path, "/v2/slow/") {
			slow <- q.URL.Path
			select {
			case <-others:
			case <-q.Context().Done():
			}
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, `{"tags":[]}`)
	}))
	t.Cleanup(server.Close)
	r := look(t, server.URL)
	var done sync.WaitGroup
	for i := range images {
		done.Go(func() {
			_, err := r.Image(t.Context(), viewer(t, "alice", "repository:**:pull"), fmt.Sprintf("slow/%d", i), "1.0")
			assert.ErrorIs(t, err, registryclient.ErrNotFound)
		})
	}
	for range atOnceEach {
		<-slow
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it would wait for ever
	defer cancel()
	_, err := r.Tags(ctx, viewer(t, "bob", "repository:**:pull"), "team/app", Query{})
	require.NoError(t, err)
	assert.Empty(t, slow, "so many of one viewer")
	close(others)
	done.Wait()
}
