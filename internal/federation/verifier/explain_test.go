package verifier

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/issuertest"
)

func (f *fixture) explain(username, token string) Explanation {
	f.Helper()
	x, err := f.Explain(f.Context(), Request{Token: token, Service: service, Username: username})
	require.NoError(f, err)
	return x
}

func TestExplainWhatHolds(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	f.trusts("idp", federation.Kubernetes, i)
	f.binds("far", "idp", "deploy", "kubernetes.io/namespace=dev sub=x")
	f.binds("near", "idp", "ci", "kubernetes.io/namespace=prod")
	x := f.explain(AnyRobot, i.Sign(t, i.Claims(f.now, service, issuertest.Kubernetes("prod", "builder"))))
	assert.Equal(t, []string{"idp"}, x.Issuers)
	assert.Empty(t, x.Problems)
	assert.Nil(t, x.Refused)
	require.NotNil(t, x.Login)
	assert.Equal(t, "near", x.Login.Binding.Name)
	assert.Equal(t, f.now.Add(6*time.Minute), x.Until)
	require.Len(t, x.Bindings, 2)
	assert.Equal(t, "near", x.Bindings[0].Name, "what comes closest goes first")
	assert.True(t, x.Bindings[0].Holds)
	assert.False(t, x.Bindings[1].Holds)
	assert.Contains(t, x.Claims, Claim{"kubernetes.io/serviceaccount/name", "builder"}, "claims have the names of conditions")
	assert.Contains(t, x.Claims, Claim{"aud", service})
	assert.Empty(t, f.refusals)
}

// TestExplainGoesOn: a token that is over, for another service and signed by
// nobody is compared with conditions all the same.
func TestExplainGoesOn(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	f.trusts("idp", federation.GitHub, i)
	f.binds("app", "idp", "ci", "repository_id=74 ref=refs/heads/main")
	other := issuertest.Offline(t, i.URL)
	x := f.explain("ci", other.Sign(t, other.Claims(f.now.Add(-time.Hour), service, issuertest.GitHub(), map[string]any{"ref": "refs/heads/dev"})))
	require.Len(t, x.Problems, 2)
	assert.Equal(t, UnknownKey, x.Problems[0].Reason)
	assert.Equal(t, Expired, x.Problems[1].Reason)
	assert.Nil(t, x.Login)
	assert.Equal(t, UnknownKey, x.Refused.Reason, "what comes first ends a login")
	assert.Zero(t, x.Until)
	require.Len(t, x.Bindings, 1)
	assert.Equal(t, []bool{true, false}, []bool{x.Bindings[0].Findings[0].Holds, x.Bindings[0].Findings[1].Holds})
	assert.Equal(t, "refs/heads/dev", x.Bindings[0].Findings[1].Got)
	assert.Empty(t, f.refusals, "it leaves no trace")
}

func TestExplainAsksForTheKeyAsALoginDoes(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	f.trusts("idp", federation.Generic, i)
	f.binds("app", "idp", "ci", "sub=job")
	i.Rotate(t)
	f.look = func() bool { f.trusts("idp", federation.Generic, i); return true }
	x := f.explain("ci", job(i, f))
	assert.NotNil(t, x.Login)
	assert.Equal(t, 1, f.asked)
}

func TestExplainWhatCannotBeRead(t *testing.T) {
	f, i := newFixture(t), issuertest.Offline(t, "https://idp.example.com")
	_, err := f.Explain(t.Context(), Request{Token: job(i, f), Service: service, Username: "ci"})
	require.ErrorIs(t, err, ErrNotRecognized)
	f.trusts("idp", federation.Generic, i)
	_, err = f.Explain(t.Context(), Request{Token: i.SignText(t, nil, []byte(`{"iss":"https://idp.example.com","a":1,"a":2}`)), Service: service, Username: "ci"})
	var why *Refused
	require.ErrorAs(t, err, &why)
	assert.Equal(t, Malformed, why.Reason)
}
