package auth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/issuertest"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/store/mariadbtest"
)

// TestSessionsOnTwoServersOfOneDatabase: a session that began at one is good at the
// other, which has it in memory, until the binding is removed. How long that takes
// is logged; [TestChangesEndSessions] holds it to two seconds by a clock that no
// busy machine slows down.
func TestSessionsOnTwoServersOfOneDatabase(t *testing.T) {
	f := &issuerFixture{newFixture(t, store.Config{Dialect: "mysql", DSN: mariadbtest.DSN(t)}), issuertest.Offline(t, "https://idp.example.com")}
	f.Robot("ci")
	f.trust(federation.Issuer{Name: "idp", URL: f.issuer.URL, Kind: federation.Generic, JWKS: string(f.issuer.JWKS())})
	f.bind("job", "ci", "sub=job")
	there := f.node()
	there.Cache().Start()
	f.Cache().Start()
	secrets := []string{f.exchange(Exchange{}).Token.Reveal(), f.session()}
	for _, secret := range secrets {
		f.takes("ci", secret)
		_, err := f.login(there, "ci", secret, home)
		require.NoError(t, err)
	}
	began := time.Now()
	require.NoError(t, f.Store.DeleteBinding(t.Context(), "job", 0))
	for _, secret := range secrets {
		f.refuses(f.Authenticator, "ci", secret, "")
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		for _, secret := range secrets {
			_, err := f.login(there, "ci", secret, home)
			require.ErrorIs(c, err, ErrInvalidCredentials)
		}
	}, time.Minute, 20*time.Millisecond)
	t.Logf("the sessions ended at the other server after %s", time.Since(began).Round(time.Millisecond))
	f.bind("job", "ci", "sub=job")
	for _, secret := range secrets {
		f.refuses(f.Authenticator, "ci", secret, "")
		f.refuses(there, "ci", secret, "")
	}
	f.takes("ci", f.exchange(Exchange{}).Token.Reveal())
}
