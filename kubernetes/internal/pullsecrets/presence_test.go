package pullsecrets

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// TestASecretThatIsGoneIsMadeAgain guards that a secret which somebody removed is there again after a resync, though the service account says
// that its login is good, and that nothing is asked of the API server or of Dockit before.
func TestASecretThatIsGoneIsMadeAgain(t *testing.T) {
	f := newFixture(t, namespace("team-a", on), account("team-a", "default", nil))
	f.life = 6 * time.Hour
	now := time.Now()
	o := f.options()
	o.Now = func() time.Time { return now }
	key := cache.NewObjectName("team-a", "default")
	c := f.filled(o)
	again, err := c.reconcile(t.Context(), key)
	require.NoError(t, err)
	assert.LessOrEqual(t, again, resync, "it is looked at long before its login is due")
	f.eventually(func() bool {
		a, err := c.accountsIn("team-a").Get("default")
		return err == nil && a.Annotations[madeAnnotation] != ""
	})
	require.NoError(t, f.CoreV1().Secrets("team-a").Delete(t.Context(), "dockit-pull-default", metav1.DeleteOptions{}))

	f.ClearActions()
	again, err = c.reconcile(t.Context(), key)
	require.NoError(t, err)
	assert.Empty(t, f.Actions(), "an event asks for nothing")

	now = now.Add(again)
	_, err = c.reconcile(t.Context(), key)
	require.NoError(t, err)
	require.NotNil(t, f.secret("team-a", "dockit-pull-default"))
	assert.Equal(t, 4, f.exchanged(), "one more for each registry")
	assert.NotZero(t, c.pace.wait(key), "who removes it time and again is not fought")

	f.ClearActions()
	now = now.Add(resync)
	_, err = c.reconcile(t.Context(), key)
	require.NoError(t, err)
	require.Len(t, f.Actions(), 1, "one that is there takes one question")
	assert.Equal(t, "get secrets", f.Actions()[0].GetVerb()+" "+f.Actions()[0].GetResource().Resource)
	assert.Equal(t, 4, f.exchanged())
}

// TestLooksAreSpread guards that of ten thousand secrets no ten seconds have more than their share of looks.
func TestLooksAreSpread(t *testing.T) {
	const count = 10_000
	now := time.Now()
	p := newPresence(func() time.Time { return now })
	name := func(n int) cache.ObjectName { return cache.NewObjectName(fmt.Sprintf("team-%d", n), "default") }
	for n := range count {
		require.False(t, p.due(name(n)))
	}
	looks := 0
	for end := now.Add(2 * resync); now.Before(end); now = now.Add(10 * time.Second) {
		together := 0
		for n := range count {
			if p.due(name(n)) {
				p.seen(name(n))
				together++
			}
		}
		assert.Less(t, together, 500, "of the 1000 questions that its client may ask the API server")
		looks += together
	}
	assert.InDelta(t, 2.2*count, looks, 0.3*count)
	for n := range count {
		p.forget(name(n))
	}
	assert.Empty(t, p.next)
}
