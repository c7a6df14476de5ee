package verifier

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/issuerkeys"
	"github.com/dockit-registry/dockit/internal/issuertest"
	"github.com/dockit-registry/dockit/subject"
)

func BenchmarkVerify(b *testing.B) {
	i := issuertest.Offline(b, "https://idp.example.com")
	known := issuerkeys.Known{ID: 1, Issuer: federation.Issuer{Name: "idp", URL: i.URL, Kind: federation.GitHub, JWKS: string(i.JWKS())}}
	bindings := make([]federation.Binding, 10_000)
	for n := range bindings {
		bindings[n] = federation.Binding{
			Name: fmt.Sprint("b", n), Issuer: "idp", Robot: subject.Ref{Kind: subject.Robot, Name: fmt.Sprint("ci", n)},
			Claims: []federation.Condition{{Name: "repository_id", Value: fmt.Sprint(n)}, {Name: "ref", Value: "refs/heads/*"}},
		}
	}
	trust := NewTrust([]issuerkeys.Known{known}, bindings)
	v := New(Options{Trust: func(context.Context) (*Trust, error) { return trust, nil }})
	token := i.Sign(b, i.Claims(time.Now(), service, issuertest.GitHub()))
	stranger := i.Sign(b, i.Claims(time.Now(), service, issuertest.GitHub(), map[string]any{"repository_id": "x"}))
	for name, c := range map[string]struct {
		request    Request
		remembered bool
		fails      bool
	}{
		"remembered":                           {Request{Token: token, Service: service, Username: "ci74"}, true, false},
		"for the first time":                   {Request{Token: token, Service: service, Username: "ci74"}, false, false},
		"one of 10000 bindings":                {Request{Token: token, Service: service, Username: AnyRobot}, false, false},
		"none of 10000 bindings":               {Request{Token: stranger, Service: service, Username: AnyRobot}, false, true},
		"key that is not known":                {Request{Token: issuertest.Offline(b, i.URL).Sign(b, i.Claims(time.Now(), service)), Service: service, Username: AnyRobot}, false, true},
		"signature that is wrong":              {Request{Token: token[:len(token)-8] + "AAAAAAAA", Service: service, Username: AnyRobot}, false, true},
		"password that is no token of anybody": {Request{Token: "correct horse battery staple", Service: service, Username: "ci74"}, false, true},
	} {
		b.Run(name, func(b *testing.B) {
			var otherwise []error
			for b.Loop() {
				if !c.remembered {
					v.good.Purge()
					v.bad.Purge()
				}
				if _, err := v.Verify(b.Context(), c.request); (err != nil) != c.fails {
					otherwise = append(otherwise, err)
				}
			}
			assert.Empty(b, otherwise, "answers that are not those expected")
		})
	}
}
