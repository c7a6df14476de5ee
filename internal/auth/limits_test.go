package auth

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// acting is a context of what somebody does who has proved to be somebody.
func (f *fixture) acting(p Principal) context.Context {
	return store.WithActor(f.Context(), store.Actor{Ref: p.Ref, Credential: p.Credential})
}

// What proves a subject tells what it may make.
func TestPrincipalHasItsCredential(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{RefreshTokens: true})
		networks := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		expires := time.Now().Add(time.Hour)
		created, token, err := f.CreateAccessToken(f.Context(), TokenRequest{Owner: aliceRef, Name: "a", Networks: networks, ExpiresAt: expires})
		if err != nil {
			t.Fatal(err)
		}
		if p := f.accepted("alice", secret, home); p.Credential.ID != "" {
			t.Errorf("password: %+v", p.Credential)
		}
		p := f.accepted("alice", token.Reveal(), home)
		if c := p.Credential; c.ID != created.ID || c.Password || len(c.Networks) != 1 || c.Networks[0] != networks[0] || !c.ExpiresAt.Equal(expires) {
			t.Errorf("access token: %+v", c)
		}
		refresh := f.accepted("", f.login(), home)
		if c := refresh.Credential; c.ID == "" || !c.ExpiresAt.Equal(time.Now().Add(90*24*time.Hour)) {
			t.Errorf("refresh token: %+v", c)
		}
		if refreshed, err := f.IssueRefreshToken(f.Context(), p, "registry"); refreshed != "" || err != nil {
			t.Errorf("a refresh token for an access token: %q, %v", refreshed, err)
		}

		// The secret before a rotation makes nothing that outlives it.
		if _, _, err := f.RotateAccessToken(f.Context(), created.ID, time.Minute, nil); err != nil {
			t.Fatal(err)
		}
		old := f.accepted("alice", token.Reveal(), home)
		if !old.Credential.ExpiresAt.Equal(time.Now().Add(time.Minute)) {
			t.Errorf("previous secret: %+v", old.Credential)
		}
		made, _, err := f.CreateAccessToken(f.acting(old), TokenRequest{Owner: aliceRef, Name: "b"})
		if err != nil || !made.ExpiresAt.Equal(time.Now().Add(time.Minute)) {
			t.Errorf("made by it: %+v, %v", made, err)
		}
		if _, _, err := f.RotateAccessToken(f.acting(old), created.ID, 0, nil); !errors.Is(err, store.ErrWider) {
			t.Errorf("it rotates itself: %v", err)
		}
	})
}

// A ceiling on the life of tokens is no wish for one that long.
func TestTokenMadeByATokenUnderACeiling(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{AccessTokenLife: 30 * 24 * time.Hour})
		expires := time.Now().Add(time.Hour)
		maker := f.accepted("alice", f.token(TokenRequest{Owner: aliceRef, Name: "a", ExpiresAt: expires}), home)
		made, _, err := f.CreateAccessToken(f.acting(maker), TokenRequest{Owner: f.robot("ci"), Name: "b"})
		if err != nil || !made.ExpiresAt.Equal(expires) || made.MadeBy != maker.Credential.ID {
			t.Errorf("made %+v, %v", made, err)
		}
		if _, _, err := f.CreateAccessToken(f.acting(maker), TokenRequest{Owner: aliceRef, Name: "c", ExpiresAt: expires.Add(time.Second)}); !errors.Is(err, store.ErrWider) {
			t.Errorf("later than its maker: %v", err)
		}
	})
}

// A password that a token set is good where and as long as the token is, also
// when it is remembered, and makes what ends with the token.
func TestPasswordHasTheLimitsOfItsToken(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{RefreshTokens: true})
		ref := subject.Ref{Kind: subject.User, Name: "new"}
		add := func(r TokenRequest) Principal {
			t.Helper()
			r.Owner = aliceRef
			maker := f.accepted("alice", f.token(r), home)
			if _, err := f.store.CreateSubject(f.acting(maker), store.NewSubject{Ref: ref, PasswordHash: f.hash(secret)}); err != nil {
				t.Fatal(err)
			}
			return maker
		}
		maker := add(TokenRequest{Name: "a", Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, ExpiresAt: time.Now().Add(30 * time.Second)})
		p := f.accepted("new", secret, home)
		if c := p.Credential; !c.Password || c.ID != maker.Credential.ID || !c.ExpiresAt.Equal(maker.Credential.ExpiresAt) {
			t.Errorf("%+v", c)
		}
		if token, err := f.IssueRefreshToken(f.Context(), p, "registry"); token != "" || err != nil {
			t.Errorf("a refresh token, which would be good everywhere: %q, %v", token, err)
		}
		before := f.checks()
		f.refused("new", secret, elsewhere(0))
		elsewhereCost := f.checks() - before
		before = f.checks()
		f.refused("new", "wrong", elsewhere(1))
		if n := f.checks() - before; n != elsewhereCost {
			t.Errorf("%d checks where it is not good, %d for a wrong one: the time tells them apart", elsewhereCost, n)
		}
		f.accepted("new", secret, home)
		time.Sleep(31 * time.Second) // it would be remembered for a minute
		f.refused("new", secret, home)
		if err := f.store.DeleteSubject(f.Context(), ref, 0); err != nil {
			t.Fatal(err)
		}

		maker = add(TokenRequest{Name: "b", ExpiresAt: time.Now().Add(time.Hour)})
		p = f.accepted("new", secret, home)
		token, err := f.IssueRefreshToken(f.Context(), p, "registry")
		if err != nil || token == "" {
			t.Fatal(token, err)
		}
		if login := f.accepted("", token, home); !login.Credential.ExpiresAt.Equal(maker.Credential.ExpiresAt) {
			t.Errorf("the refresh token outlives the password: %+v", login.Credential)
		}
		if _, _, err := f.store.RevokeAccessToken(f.Context(), maker.Credential.ID, false); err != nil {
			t.Fatal(err)
		}
		f.refused("new", secret, home)
		f.refused("", token, home)
	})
}

// What ends because of its maker counts on every other node within two seconds.
func TestMadeEndsOnAnotherNode(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		other := f.node()
		other.Directory().Start()
		ci := f.robot("ci")
		maker := f.accepted("alice", f.token(TokenRequest{Owner: aliceRef, Name: "a"}), home)
		_, made, err := f.CreateAccessToken(f.acting(maker), TokenRequest{Owner: ci, Name: "b"})
		if err != nil {
			t.Fatal(err)
		}
		try := func() error {
			_, err := other.Authenticate(from(f.Context(), home), "ci", made.Reveal())
			return err
		}
		if err := try(); err != nil {
			t.Fatal(err)
		}
		yes := true
		f.change("alice", store.SubjectChange{Disabled: &yes})
		f.refused("ci", made.Reveal(), home)
		time.Sleep(2 * time.Second)
		if err := try(); !errors.Is(err, ErrInvalidCredentials) {
			t.Errorf("on another node: %v", err)
		}
	})
}
