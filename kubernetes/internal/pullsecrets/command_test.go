package pullsecrets

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestExchangesAreForTheRobotThatWasAskedFor guards what is sent of an annotation, and that a login for another robot is none.
func TestExchangesAreForTheRobotThatWasAskedFor(t *testing.T) {
	var revoked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/token/revoke" {
			revoked = append(revoked, r.FormValue("token"))
			return
		}
		assert.Equal(t, "registry.test:5000", r.FormValue("audience"))
		w.Header().Set("Content-Type", "application/json")
		_, err := fmt.Fprintf(w, `{"access_token":"dockit_1","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"N_A",
			"username":"ci","expires_in":3600,"asked":%q}`, r.FormValue("resource"))
		assert.NoError(t, err)
	}))
	defer server.Close()
	c := command{registries: []string{"registry.test:5000"}, server: server.URL}
	c.connection.Timeout = time.Minute
	exchange, revoke, err := c.exchanger(&cobra.Command{})
	require.NoError(t, err)
	for robot, says := range map[string]string{
		"": "", "ci": "", "robot:ci": "", "builder": "the answer is for robot:ci, and robot:builder was asked for", "a b": "the annotation dockit.dev/robot", "robot:\n": "the annotation",
	} {
		got, err := exchange(t.Context(), "registry.test:5000", "token", robot)
		if says != "" {
			require.ErrorContains(t, err, says, robot)
			continue
		}
		require.NoError(t, err, robot)
		assert.Equal(t, Login{Username: "ci", Password: "dockit_1", ExpiresIn: time.Hour}, got)
	}
	require.NoError(t, revoke(t.Context(), "registry.test:5000", "dockit_1"))
	assert.Equal(t, []string{"dockit_1"}, revoked)
	assert.Equal(t, []string{"a", "b"}, unique([]string{"b", "a", "b"}))
}

// TestServicesOfRegistries guards what each registry is called at Dockit.
func TestServicesOfRegistries(t *testing.T) {
	for name, test := range map[string]struct {
		services []string
		names    map[string]string
		mistake  string
	}{
		"none":               {nil, map[string]string{"a.test": "a.test", "b.test:5000": "b.test:5000"}, ""},
		"one for all":        {[]string{"hub"}, map[string]string{"a.test": "hub", "b.test:5000": "hub"}, ""},
		"of one":             {[]string{"b.test:5000=mirror"}, map[string]string{"a.test": "a.test", "b.test:5000": "mirror"}, ""},
		"of one, and others": {[]string{"b.test:5000=mirror=1", "hub"}, map[string]string{"a.test": "hub", "b.test:5000": "mirror=1"}, ""},
		"two for all":        {[]string{"hub", "other"}, nil, "both the name of all"},
		"two for one":        {[]string{"a.test=x", "a.test=y"}, nil, `a.test is called "x" and "y"`},
		"of no registry":     {[]string{"c.test=x"}, nil, "a HOST of --registry"},
		"nothing":            {[]string{"a.test="}, nil, "a HOST of --registry"},
	} {
		t.Run(name, func(t *testing.T) {
			c := command{registries: []string{"a.test", "b.test:5000"}, services: test.services}
			got, err := c.serviceNames()
			if test.mistake != "" {
				require.ErrorContains(t, err, test.mistake)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.names, got)
		})
	}
}
