package auth

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/store"
)

func TestLastUseIsRecordedNowAndThen(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		token := f.token(TokenRequest{Owner: aliceRef, Name: "a"})
		parsed, err := opaque.Parse(token)
		if err != nil {
			t.Fatal(err)
		}
		lastUse := func() store.Use {
			t.Helper()
			stored, err := f.store.AccessToken(t.Context(), parsed.ID())
			if err != nil {
				t.Fatal(err)
			}
			return stored.LastUse
		}
		for range 10 {
			f.accepted("alice", token, "192.0.2.1")
			time.Sleep(2 * time.Second)
		}
		used := time.Now()
		f.accepted("alice", token, "192.0.2.2")
		f.refused("bob", token, "192.0.2.3")
		if use := lastUse(); use != (store.Use{}) {
			t.Fatalf("recorded at once: %+v", use)
		}
		time.Sleep(useInterval)
		synctest.Wait()
		if use := lastUse(); !use.At.Equal(used) || use.Address != "192.0.2.2" || use.Client != "docker/29" {
			t.Fatalf("recorded %+v", use)
		}
		f.accepted("alice", token, "192.0.2.4")
		f.Close()
		if use := lastUse(); use.Address != "192.0.2.4" {
			t.Fatalf("after closing: %+v", use)
		}
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
		if err != nil || len(tokens) != 1 {
			t.Fatal(tokens, err)
		}
		if got := tokens[0]; got.Address != home || got.Client != "docker/29" || !got.LastUse.At.Equal(used) || got.LastUse.Address != "2001:db8::7" {
			t.Errorf("listed %+v", got)
		}
	})
}
