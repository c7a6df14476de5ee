package store

import (
	"testing"
	"time"
)

func TestRecordUses(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		alice := person(t, s, "alice", "$a")
		create(t, s, "robot:ci")
		accessToken(t, s, "robot:ci", "a", "deploy", time.Time{})
		refreshToken(t, s, "r", alice, "$a")
		use := Use{At: advance(time.Hour), Address: "192.0.2.7", Client: "docker/29"}
		record := func(uses Uses) {
			t.Helper()
			if err := s.RecordUses(t.Context(), uses); err != nil {
				t.Fatal(err)
			}
		}
		record(Uses{
			AccessTokens:  map[string]Use{"a": use, "revoked": use},
			RefreshTokens: map[string]Use{"r": use},
			Networks:      map[LoginNetwork]time.Time{{alice, "192.0.2.7/32"}: use.At, {4711, "192.0.2.7/32"}: use.At},
		})
		lastUses := func() (accessToken, refreshToken Use) {
			t.Helper()
			a, err := s.AccessToken(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.RefreshToken(t.Context(), "r")
			if err != nil {
				t.Fatal(err)
			}
			return a.LastUse, r.LastUse
		}
		if a, r := lastUses(); a != use || r != use {
			t.Fatalf("last uses %+v, %+v", a, r)
		}
		earlier := Use{At: use.At.Add(-time.Minute), Address: "192.0.2.8"}
		record(Uses{AccessTokens: map[string]Use{"a": earlier}, RefreshTokens: map[string]Use{"r": earlier}})
		if a, r := lastUses(); a != use || r != use {
			t.Errorf("an earlier use of another node counts: %+v, %+v", a, r)
		}
		record(Uses{})
	})
}

func TestKnowsNetwork(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		alice := person(t, s, "alice", "$a")
		home := LoginNetwork{alice, "192.0.2.7/32"}
		log := func(n LoginNetwork) {
			t.Helper()
			if err := s.RecordUses(t.Context(), Uses{Networks: map[LoginNetwork]time.Time{n: advance(0)}}); err != nil {
				t.Fatal(err)
			}
		}
		known := func(name, network string, want bool) {
			t.Helper()
			if got, err := s.KnowsNetwork(t.Context(), name, network); err != nil || got != want {
				t.Errorf("KnowsNetwork(%s, %s) = %v, %v; want %v", name, network, got, err, want)
			}
			// Nobody but alice logs in.
			if got, err := s.IsLoginNetwork(t.Context(), network); name == "alice" && (err != nil || got != want) {
				t.Errorf("IsLoginNetwork(%s) = %v, %v; want %v", network, got, err, want)
			}
		}
		log(home)
		known("alice", home.Network, true)
		known("alice", "192.0.2.8/32", false)
		known("bob", home.Network, false)
		advance(60 * 24 * time.Hour)
		log(home)
		advance(60 * 24 * time.Hour)
		known("alice", home.Network, true)
		advance(31 * 24 * time.Hour)
		known("alice", home.Network, false)
		log(LoginNetwork{alice, "192.0.2.9/32"})
		var rows int
		if err := s.reader.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM login_networks").Scan(&rows); err != nil || rows != 1 {
			t.Errorf("%d networks are kept, %v", rows, err)
		}
	})
}
