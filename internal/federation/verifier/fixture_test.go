package verifier

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/issuerkeys"
	"github.com/dockit-registry/dockit/internal/issuertest"
	"github.com/dockit-registry/dockit/subject"
)

var start = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

const service = "registry.example.com"

// fixture is a verifier with what it trusts, and a clock of its own.
type fixture struct {
	*testing.T
	*Verifier
	now      time.Time
	trust    *Trust
	err      error // of asking for it
	asked    int   // how often issuers were asked for keys
	look     func() bool
	refusals []Refusal

	issuers  []issuerkeys.Known
	bindings []federation.Binding
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, now: start}
	f.Verifier = New(Options{
		Trust: func(context.Context) (*Trust, error) { return f.trust, f.err },
		Look: func(context.Context, issuerkeys.Known) bool {
			f.asked++
			return f.look != nil && f.look()
		},
		Refused: func(r Refusal) { f.refusals = append(f.refusals, r) },
		Now:     func() time.Time { return f.now },
	})
	f.change()
	return f
}

// change makes what is trusted anew.
func (f *fixture) change() { f.trust = NewTrust(f.issuers, f.bindings) }

// trusts adds an issuer whose keys are known, or replaces it.
func (f *fixture) trusts(name string, kind federation.Kind, i *issuertest.Issuer, changes ...func(*federation.Issuer)) {
	f.Helper()
	known := issuerkeys.Known{Issuer: federation.Issuer{Name: name, URL: i.URL, Kind: kind}}
	for _, change := range changes {
		change(&known.Issuer)
	}
	if known.JWKS == "" {
		known.Keys = federation.Keys{JWKS: i.JWKS(), Source: known.KeySource(), FetchedAt: f.now}
	}
	for at, other := range f.issuers {
		if other.Name == name {
			known.ID = other.ID
			f.issuers[at] = known
			f.change()
			return
		}
	}
	known.ID = int64(len(f.issuers) + 1)
	f.issuers = append(f.issuers, known)
	f.change()
}

// binds lets tokens with claims, separated by spaces, stand for a robot.
func (f *fixture) binds(name, issuer, robot, claims string, changes ...func(*federation.Binding)) {
	f.Helper()
	b := federation.Binding{Name: name, Issuer: issuer, Robot: subject.Ref{Kind: subject.Robot, Name: robot}}
	for text := range strings.FieldsSeq(claims) {
		c, err := federation.ParseCondition(text)
		require.NoError(f, err)
		b.Claims = append(b.Claims, c)
	}
	for _, change := range changes {
		change(&b)
	}
	require.NoError(f, b.Validate())
	for at, other := range f.bindings {
		if other.Name == name {
			f.bindings[at] = b
			f.change()
			return
		}
	}
	f.bindings = append(f.bindings, b)
	f.change()
}

// verify logs in.
func (f *fixture) verify(username, token string) (*Login, error) {
	f.Helper()
	return f.Verify(f.Context(), Request{Token: token, Service: service, Username: username, Address: "192.0.2.1", Client: "docker"})
}

// takes logs in, and returns by which binding.
func (f *fixture) takes(username, token string) string {
	f.Helper()
	login, err := f.verify(username, token)
	require.NoError(f, err)
	return login.Binding.Name
}

// refuses logs in in vain.
func (f *fixture) refuses(username, token string, reason Reason) *Refused {
	f.Helper()
	_, err := f.verify(username, token)
	var why *Refused
	require.ErrorAs(f, err, &why)
	require.Equal(f, reason, why.Reason, why.Detail)
	require.NotContains(f, why.Sentence+why.Detail, token)
	require.Less(f, len(why.Sentence), 1_500)
	return why
}
