package password

import (
	"testing"

	"github.com/alexedwards/argon2id"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

func TestCost(t *testing.T) {
	ours, err := Hash("correct horse")
	require.NoError(t, err)
	bcrypted, err := bcrypt.GenerateFromPassword([]byte("correct horse"), 5)
	require.NoError(t, err)
	cheap, err := argon2id.CreateHash("correct horse", &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 2, SaltLength: 8, KeyLength: 16})
	require.NoError(t, err)
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
			require.ErrorIs(t, err, tc.err, "CostOf")
			if err != nil {
				return
			}
			assert.Equal(t, tc.says, cost.String())
			assert.Equal(t, tc.current, cost.Current())
			decoy := cost.Decoy()
			again, err := CostOf(decoy)
			require.NoError(t, err, "decoy %q has cost %v", decoy, again)
			assert.Equal(t, cost, again, "decoy %q has cost %v", decoy, again)
			ok, err := Verify(decoy, "correct horse")
			assert.False(t, ok, "a password against the decoy: %v", ok)
			require.NoError(t, err, "a password against the decoy: %v", ok)
			assert.NotEqual(t, cost.Decoy(), decoy, "two decoys are equal")
		})
	}
	assert.True(t, CurrentCost().Current(), "the current cost is not current")
}
