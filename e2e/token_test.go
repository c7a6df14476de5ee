package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// registryToken asks Dockit for an anonymous token as a registry's client would.
func registryToken(t *testing.T, dockit, service, scope string) string {
	t.Helper()
	query := url.Values{"service": {service}, "scope": {scope}}
	var answer struct {
		Token string `json:"token"`
	}
	require.NoError(t, json.Unmarshal([]byte(get(t, dockit+"/v2/token?"+query.Encode())), &answer))
	return answer.Token
}

// statusWithToken is how a registry answers a request with a token.
func statusWithToken(t *testing.T, host, path, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+path, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

// get returns what a URL answers with.
func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
	return string(body)
}
