package handlers

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/auth"
)

// TestRequestsAreCounted guards by what requests are counted, and that nothing that
// a client makes up becomes a label.
func TestRequestsAreCounted(t *testing.T) {
	f := withPeople(t)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(f.server.config.Metrics.Collectors()...)
	forService := "service=" + service
	for _, tc := range []struct {
		name    string
		request *http.Request
		want    []string
	}{
		{"issued", tokenGET(alice, forService), []string{"requests_total grant=basic outcome=issued service=" + service}},
		{"by form", tokenPOST(form("grant_type=password", "username=alice", "password=correct horse battery", forService), formType), []string{"requests_total grant=password outcome=issued service=" + service}},
		{"wrong password", tokenGET("alice:planted", forService), []string{
			"requests_total grant=basic outcome=unauthorized service=" + service, "refusals_total reason=credentials service=" + service,
		}},
		{"no credentials", tokenGET("", forService), []string{
			"requests_total grant=anonymous outcome=unauthorized service=" + service, "refusals_total reason=no_credentials service=" + service,
		}},
		{"unknown service", tokenGET("", "service=planted"), []string{
			"requests_total grant=anonymous outcome=invalid service=", "refusals_total reason=unknown_service service=",
		}},
		{"unknown grant", tokenPOST(form("grant_type=planted", forService), formType), []string{
			"requests_total grant=anonymous outcome=invalid service=", "refusals_total reason=unsupported_grant service=",
		}},
		{"service twice", tokenGET("", forService, forService), []string{
			"requests_total grant=anonymous outcome=invalid service=", "refusals_total reason=invalid_request service=",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := counts(t, registry)
			f.do(tc.request)
			var rose []string
			for name, value := range counts(t, registry) {
				require.NotContains(t, name, "planted")
				if short := strings.TrimPrefix(name, "dockit_token_"); value > before[name] && !strings.Contains(name, "_seconds") {
					rose = append(rose, short)
				}
			}
			slices.Sort(rose)
			slices.Sort(tc.want)
			assert.Equal(t, tc.want, rose)
		})
	}
}

// TestEveryRefusalHasACause guards that no answer is counted under an empty reason.
func TestEveryRefusalHasACause(t *testing.T) {
	f := withPeople(t)
	for _, err := range []error{auth.ErrBusy, auth.ErrInvalidCredentials, &auth.ThrottledError{}, &auth.IssuerTokenError{}, &auth.IssuerTokenError{Throttled: true}, assert.AnError} {
		w := f.do(tokenGET(alice, "service="+service))
		assert.NotEmpty(t, f.server.refuse(t.Context(), w, err).cause, err.Error())
	}
}

// counts are the counters, by name and labels.
func counts(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	values := make(map[string]float64)
	for _, family := range families {
		for _, one := range family.GetMetric() {
			name := family.GetName()
			for _, label := range one.GetLabel() {
				name += " " + label.GetName() + "=" + label.GetValue()
			}
			values[name] = one.GetCounter().GetValue() + float64(one.GetHistogram().GetSampleCount())
		}
	}
	return values
}
