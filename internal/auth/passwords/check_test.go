package passwords

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
)

func TestRightPasswordIsCheckedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for range 30 {
			f.accepted("alice", secret, home)
			f.accepted("alice", secret, "2001:db8::1")
			time.Sleep(time.Second)
		}
		n := f.Checks()
		assert.Equal(t, 1, n, "checked %d times within the first minute", n)
		// Being asked for does not make it last longer.
		time.Sleep(30 * time.Second)
		f.accepted("alice", secret, home)
		n = f.Checks()
		assert.Equal(t, 2, n, "checked %d times after one minute", n)
		for range 3 {
			f.guessed("alice", home)
		}
		assert.Equal(t, 5, f.Checks(), "wrong ones are remembered: checks")
	})
}

func TestNothingRemembered(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{Remember: -1})
		for range 3 {
			f.accepted("alice", secret, home)
		}
		n := f.Checks()
		assert.Equal(t, 3, n, "checked %d times", n)
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
			hash := f.Hash("another password")
			f.Change("alice", store.SubjectChange{PasswordHash: &hash})
		}, "another password"},
		{"disabled", func(f *fixture) { f.Change("alice", store.SubjectChange{Disabled: &yes}) }, ""},
		{"removed", func(f *fixture) {
			require.NoError(f, f.store.DeleteSubject(f.Context(), aliceRef, 0))
		}, ""},
		{"removed and made anew", func(f *fixture) {
			require.NoError(f, f.store.DeleteSubject(f.Context(), aliceRef, 0))
			f.User("alice", "another password")
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
				f.DuringCheck = sync.OnceFunc(func() { tc.change(f) })
				f.refused("alice", secret, home)
			})
		})
	}
	t.Run("another hash of the same password during the check", func(t *testing.T) {
		bubble(t, func(t *testing.T, f *fixture) {
			f.DuringCheck = sync.OnceFunc(func() {
				hash := f.Hash(secret)
				f.Change("alice", store.SubjectChange{PasswordHash: &hash})
			})
			f.accepted("alice", secret, home)
		})
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
			require.NoError(t, err)
		}
		assert.Equal(t, 1, f.Checks(), "50 times the same right password: checks")
		for _, err := range all("wrong") {
			require.ErrorIs(t, err, ErrInvalidCredentials)
		}
		n := f.Checks()
		assert.Equal(t, 2, n, "50 times the same wrong password: %d checks", n-1)
	})
}

// TestSameTime shows that a refusal takes as long for every name, whatever
// hashes there are, and that no work is done for a hash that is not to be checked.
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
				f.CheckTakes = 30 * time.Millisecond
				f.guessed("somebody", home) // from here on it is known what a check takes
				for name, hash := range map[string]string{"unusable": "$1$md5", "none": ""} {
					f.UserWithHash(name, hash)
				}
				for name, hash := range tc.stored {
					f.UserWithHash(name, hash)
				}
				f.hashCosts.outdated()
				f.Robot("ci")
				f.User("off", secret)
				yes := true
				f.Change("off", store.SubjectChange{Disabled: &yes})
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
						f.ForgetChecks()
						d := took(func() { f.refused(try.username, try.pw, home) })
						assert.Equal(t, tc.want, d, "%s%s takes %s", try.name, again, d)
						want := 1
						if again != "" {
							want = 0
						}
						assert.Equal(t, want, f.Checks(), "%s%s: hashes are checked", try.name, again)
						for hash := range f.Compared() {
							cost, err := password.CostOf(hash)
							require.NoError(t, err, "%s: compared with %q", try.name, hash)
							if hash != tc.stored[try.username] {
								assert.True(t, cost.Current(), "%s: compared with %q", try.name, hash)
							}
						}
					}
				}
			})
		})
	}
}

func mustBcrypt(t *testing.T, cost int) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(secret), cost)
	require.NoError(t, err)
	return string(hash)
}

func mustArgon(t *testing.T, p *argon2id.Params) string {
	t.Helper()
	hash, err := argon2id.CreateHash(secret, p)
	require.NoError(t, err)
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
				f.Compare = password.Verify
				stored := func() string {
					t.Helper()
					login, err := f.store.Login(t.Context(), "alice")
					require.NoError(t, err)
					return login.PasswordHash
				}
				f.Change("alice", store.SubjectChange{PasswordHash: &hash})
				f.guessed("alice", home)
				require.Equal(t, hash, stored(), "a wrong password replaced the hash")
				result, err := f.try("alice", secret, home)
				require.NoError(t, err)
				upgraded := stored()
				require.Equal(t, upgraded, result.Login.PasswordHash, "proved by %q, stored is %q", result.Login.PasswordHash, upgraded)
				cost, err := password.CostOf(upgraded)
				require.NoError(t, err, "hash %q", upgraded)
				require.True(t, cost.Current(), "hash %q", upgraded)
				ok, err := password.Verify(upgraded, secret)
				require.True(t, ok, "the new hash: %v", ok)
				require.NoError(t, err, "the new hash: %v", ok)
				f.accepted("alice", secret, home)
				assert.Equal(t, upgraded, stored(), "replaced twice")
			})
		})
	}
}

func TestHashesOfDisabledUsersStay(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.Compare = password.Verify
		hash, yes := mustBcrypt(t, 5), true
		f.Change("alice", store.SubjectChange{PasswordHash: &hash, Disabled: &yes})
		f.refused("alice", secret, home)
		login, err := f.store.Login(t.Context(), "alice")
		require.NoError(t, err)
		assert.Equal(t, hash, login.PasswordHash)
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
		wg.Go(func() { _, first = f.Check(ctx, from(home, "alice", secret)) })
		synctest.Wait()
		wg.Go(func() { _, next = f.try("alice", secret, home) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		release()
		wg.Wait()
		require.Error(t, first, "who went away: who waited")
		assert.NoError(t, next, "who went away: who waited")
	})
}
