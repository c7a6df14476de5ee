package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/bcrypt"

	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

func TestRightPasswordIsCheckedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for range 30 {
			f.accepted("alice", secret, home)
			f.accepted("alice", secret, "2001:db8::1")
			time.Sleep(time.Second)
		}
		if n := f.checks(); n != 1 {
			t.Errorf("checked %d times within the first minute", n)
		}
		// Being asked for does not make it last longer.
		time.Sleep(30 * time.Second)
		f.accepted("alice", secret, home)
		if n := f.checks(); n != 2 {
			t.Errorf("checked %d times after one minute", n)
		}
		for range 3 {
			f.guessed("alice", home)
		}
		if n := f.checks(); n != 5 {
			t.Errorf("wrong ones are remembered: %d checks", n)
		}
	})
}

func TestNothingRemembered(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{Remember: -1})
		for range 3 {
			f.accepted("alice", secret, home)
		}
		if n := f.checks(); n != 3 {
			t.Errorf("checked %d times", n)
		}
	})
}

func TestChangesCountAtOnce(t *testing.T) {
	yes := true
	for _, tc := range []struct {
		name   string
		change func(f *fixture)
		then   string
	}{
		{"another password", func(f *fixture) {
			hash := f.hash("another password")
			f.change("alice", store.SubjectChange{PasswordHash: &hash})
		}, "another password"},
		{"disabled", func(f *fixture) { f.change("alice", store.SubjectChange{Disabled: &yes}) }, ""},
		{"removed", func(f *fixture) {
			if err := f.store.DeleteSubject(f.Context(), aliceRef, 0); err != nil {
				f.Fatal(err)
			}
		}, ""},
		{"removed and made anew", func(f *fixture) {
			if err := f.store.DeleteSubject(f.Context(), aliceRef, 0); err != nil {
				f.Fatal(err)
			}
			f.user("alice", "another password")
		}, "another password"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				f.accepted("alice", secret, home)
				tc.change(f)
				f.refused("alice", secret, home)
				if tc.then != "" {
					f.accepted("alice", tc.then, home)
				}
			})
		})
		t.Run(tc.name+" during the check", func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				f.while = sync.OnceFunc(func() {
					f.mu.Unlock()
					defer f.mu.Lock()
					tc.change(f)
				})
				f.refused("alice", secret, home)
			})
		})
	}
	t.Run("another hash of the same password during the check", func(t *testing.T) {
		bubble(t, func(t *testing.T, f *fixture) {
			f.while = sync.OnceFunc(func() {
				f.mu.Unlock()
				defer f.mu.Lock()
				hash := f.hash(secret)
				f.change("alice", store.SubjectChange{PasswordHash: &hash})
			})
			f.accepted("alice", secret, home)
		})
	})
}

func TestAdminAsOfNow(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		yes := true
		if p := f.accepted("alice", secret, home); p.Admin || p.Ref != aliceRef || p.Method != ByPassword {
			t.Errorf("principal %+v", p)
		}
		f.change("alice", store.SubjectChange{Admin: &yes})
		if p := f.accepted("alice", secret, home); !p.Admin {
			t.Errorf("principal %+v", p)
		}
	})
}

func TestIdenticalChecksAreShared(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		all := func(pw string) (errs []error) {
			var wg sync.WaitGroup
			errs = make([]error, 50)
			// All of them arrive before the first has an answer.
			release := f.occupy()
			for i := range errs {
				wg.Go(func() { _, errs[i] = f.try("alice", pw, home) })
			}
			synctest.Wait()
			release()
			wg.Wait()
			return errs
		}
		for _, err := range all(secret) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if n := f.checks(); n != 1 {
			t.Errorf("50 times the same right password: %d checks", n)
		}
		for _, err := range all("wrong") {
			if !errors.Is(err, ErrInvalidCredentials) {
				t.Fatal(err)
			}
		}
		if n := f.checks(); n != 2 {
			t.Errorf("50 times the same wrong password: %d checks", n-1)
		}
	})
}

// TestSameTime shows that a refusal takes as long whoever it is for, whatever
// hashes there are, and that nobody works for a hash that is not to be checked.
func TestSameTime(t *testing.T) {
	bcryptOf := func(cost string) string { return strings.Replace(mustBcrypt(t, 4), "$04$", "$"+cost+"$", 1) }
	argonOther := mustArgon(t, &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	for _, tc := range []struct {
		name   string
		stored map[string]string
		want   time.Duration
	}{
		{"all of today's cost", nil, 30 * time.Millisecond},
		{"cheap ones", map[string]string{"bcrypt": bcryptOf("05"), "argon": argonOther}, 60 * time.Millisecond},
		{"as dear as may be imported", map[string]string{"bcrypt": bcryptOf("10"), "argon": argonOther}, 150 * time.Millisecond},
		{"dearer ones from before", map[string]string{"bcrypt": bcryptOf("10"), "dear": bcryptOf("14"), "argon": argonOther}, 2400 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				f.check = 30 * time.Millisecond
				f.guessed("somebody", home) // from here on it is known what a check takes
				for name, hash := range map[string]string{"unusable": "$1$md5", "none": ""} {
					f.stored(name, hash)
				}
				for name, hash := range tc.stored {
					f.stored(name, hash)
				}
				f.decoys.outdated()
				f.robot("ci")
				f.user("off", secret)
				yes := true
				f.change("off", store.SubjectChange{Disabled: &yes})
				tries := []struct{ name, username, pw string }{
					{"known", "alice", "wrong"},
					{"unknown", "nobody", "wrong"},
					{"no name", "Not a Name", "wrong"},
					{"empty name", "", "also wrong"},
					{"empty password", "alice", ""},
					{"disabled, wrong password", "off", "wrong"},
					{"disabled, right password", "off", secret},
					{"without a password", "none", "wrong"},
					{"robot", "ci", "wrong"},
					{"group", "authenticated", "wrong"},
					{"anonymous", "anonymous", "wrong"},
					{"unusable hash", "unusable", "wrong"},
				}
				for name := range tc.stored {
					tries = append(tries, struct{ name, username, pw string }{name, name, "wrong"})
				}
				for _, again := range []string{"", ", again"} {
					for _, try := range tries {
						f.mu.Lock()
						clear(f.compared)
						f.mu.Unlock()
						if d := took(func() { f.refused(try.username, try.pw, home) }); d != tc.want {
							t.Errorf("%s%s takes %s, want %s", try.name, again, d, tc.want)
						}
						want := 1
						if again != "" {
							want = 0
						}
						if n := f.checks(); n != want {
							t.Errorf("%s%s: %d hashes are checked, want %d", try.name, again, n, want)
						}
						for hash := range f.compared {
							if cost, err := password.CostOf(hash); err != nil || hash != tc.stored[try.username] && !cost.Current() {
								t.Errorf("%s: compared with %q, %v", try.name, hash, err)
							}
						}
					}
				}
			})
		})
	}
}

// stored makes a user with a hash from elsewhere.
func (f *fixture) stored(name, hash string) {
	f.Helper()
	ref := subject.Ref{Kind: subject.User, Name: name}
	if _, err := f.store.CreateSubject(f.Context(), store.NewSubject{Ref: ref, PasswordHash: hash}); err != nil {
		f.Fatal(err)
	}
}

func mustBcrypt(t *testing.T, cost int) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(secret), cost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

func mustArgon(t *testing.T, p *argon2id.Params) string {
	t.Helper()
	hash, err := argon2id.CreateHash(secret, p)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestHashesAreUpgraded(t *testing.T) {
	for name, hash := range map[string]string{
		"bcrypt":             mustBcrypt(t, 5),
		"bcrypt of htpasswd": strings.Replace(mustBcrypt(t, 5), "$2a$", "$2y$", 1),
		"argon2id":           mustArgon(t, &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				f.with(Options{RefreshTokens: true})
				f.compare = password.Verify
				stored := func() string {
					t.Helper()
					login, err := f.store.Login(t.Context(), "alice")
					if err != nil {
						t.Fatal(err)
					}
					return login.PasswordHash
				}
				f.change("alice", store.SubjectChange{PasswordHash: &hash})
				f.guessed("alice", home)
				if stored() != hash {
					t.Fatal("a wrong password replaced the hash")
				}
				refresh, err := f.IssueRefreshToken(t.Context(), f.accepted("alice", secret, home), "registry.example.com")
				if err != nil {
					t.Fatal(err)
				}
				upgraded := stored()
				if cost, err := password.CostOf(upgraded); err != nil || !cost.Current() {
					t.Fatalf("hash %q, %v", upgraded, err)
				}
				if ok, err := password.Verify(upgraded, secret); !ok || err != nil {
					t.Fatalf("the new hash: %v, %v", ok, err)
				}
				f.accepted("alice", secret, home)
				if stored() != upgraded {
					t.Error("replaced twice")
				}
				f.accepted("alice", refresh, home)
			})
		})
	}
}

func TestHashesOfDisabledUsersStay(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.compare = password.Verify
		hash, yes := mustBcrypt(t, 5), true
		f.change("alice", store.SubjectChange{PasswordHash: &hash, Disabled: &yes})
		f.refused("alice", secret, home)
		if login, err := f.store.Login(t.Context(), "alice"); err != nil || login.PasswordHash != hash {
			t.Errorf("stored %q, %v", login.PasswordHash, err)
		}
	})
}

func TestWhoGoesAwayTakesNobodyAlong(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		ctx, cancel := context.WithCancel(f.Context())
		release := f.occupy()
		var (
			wg          sync.WaitGroup
			first, next error
		)
		wg.Go(func() { _, first = f.Authenticate(from(ctx, home), "alice", secret) })
		synctest.Wait()
		wg.Go(func() { _, next = f.try("alice", secret, home) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		release()
		wg.Wait()
		if first == nil || next != nil {
			t.Errorf("who went away: %v; who waited: %v", first, next)
		}
	})
}
