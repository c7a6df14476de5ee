package password

import (
	"errors"
	"testing"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/bcrypt"
)

func TestCost(t *testing.T) {
	ours, err := Hash("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	bcrypted, err := bcrypt.GenerateFromPassword([]byte("correct horse"), 5)
	if err != nil {
		t.Fatal(err)
	}
	cheap, err := argon2id.CreateHash("correct horse", &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 2, SaltLength: 8, KeyLength: 16})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, hash string
		says       string
		current    bool
		err        error
	}{
		{"our own", ours, "argon2id m=19456 t=2 p=1", true, nil},
		{"argon2id from elsewhere", cheap, "argon2id m=64 t=1 p=2", false, nil},
		{"bcrypt", string(bcrypted), "bcrypt 5", false, nil},
		{"bcrypt of htpasswd", "$2y$" + string(bcrypted[4:]), "bcrypt 5", false, nil},
		{"broken bcrypt", "$2b$xx", "", false, ErrHash},
		{"empty", "", "", false, ErrHash},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cost, err := CostOf(tc.hash)
			if !errors.Is(err, tc.err) {
				t.Fatalf("CostOf = %v, want %v", err, tc.err)
			}
			if err != nil {
				return
			}
			if cost.String() != tc.says || cost.Current() != tc.current {
				t.Errorf("cost %q, current %v", cost, cost.Current())
			}
			decoy := cost.Decoy()
			if again, err := CostOf(decoy); err != nil || again != cost {
				t.Errorf("decoy %q has cost %v, %v", decoy, again, err)
			}
			if ok, err := Verify(decoy, "correct horse"); ok || err != nil {
				t.Errorf("a password against the decoy: %v, %v", ok, err)
			}
			if decoy == cost.Decoy() {
				t.Error("two decoys are equal")
			}
		})
	}
	if !CurrentCost().Current() {
		t.Error("the current cost is not current")
	}
}
