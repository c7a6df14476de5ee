package auth

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/store"
)

func TestLastUseIsRecordedNowAndThen(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		token := f.token(TokenRequest{Owner: aliceRef, Name: "a"})
		parsed, err := opaque.Parse(token)
		require.NoError(t, err)
		lastUse := func() store.Use {
			t.Helper()
			stored, err := f.store.AccessToken(t.Context(), parsed.ID())
			require.NoError(t, err)
			return stored.LastUse
		}
		for range 10 {
			f.accepted("alice", token, "192.0.2.1")
			time.Sleep(2 * time.Second)
		}
		used := time.Now()
		f.accepted("alice", token, "192.0.2.2")
		f.refused("bob", token, "192.0.2.3")
		require.Equal(t, store.Use{}, lastUse(), "recorded at once")
		time.Sleep(useInterval)
		synctest.Wait()
		use := lastUse()
		require.WithinDuration(t, used, use.At, 0, "recorded %+v", use)
		require.Equal(t, "192.0.2.2", use.Address, "recorded %+v", use)
		require.Equal(t, "docker/29", use.Client, "recorded %+v", use)
		f.accepted("alice", token, "192.0.2.4")
		f.Close()
		use = lastUse()
		require.Equal(t, "192.0.2.4", use.Address, "after closing: %+v", use)
		f.Close()
	})
}

func TestRefreshTokenLastUse(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{RefreshTokens: true})
		token := f.login()
		time.Sleep(time.Hour)
		used := time.Now()
		f.accepted("", token, "2001:db8::7")
		f.Close()
		tokens, err := f.store.RefreshTokens(t.Context(), aliceRef)
		require.NoError(t, err)
		require.Len(t, tokens, 1)
		got := tokens[0]
		assert.Equal(t, home, got.Address)
		assert.Equal(t, "docker/29", got.Client)
		assert.WithinDuration(t, used, got.LastUse.At, 0)
		assert.Equal(t, "2001:db8::7", got.LastUse.Address)
	})
}
