package apiserver

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/internal/freeport"
)

// TestSecondServerOnOneAddress guards that a second server does not share the
// connections of the first: Caddy's listeners let it.
func TestSecondServerOnOneAddress(t *testing.T) {
	// As the first Dockit does.
	first, err := caddy.NetworkAddress{Network: "tcp", Host: "127.0.0.1"}.Listen(t.Context(), 0, net.ListenConfig{})
	require.NoError(t, err)
	defer first.(net.Listener).Close()
	port := strconv.Itoa(first.(net.Listener).Addr().(*net.TCPAddr).Port)
	unused, err := freeport.Next(t.Context())
	require.NoError(t, err)
	free := "127.0.0.1:" + strconv.Itoa(unused)
	for _, args := range [][]string{
		{"--listen", "127.0.0.1:" + port},
		{"--listen", "localhost:" + port},
		{"--listen", ":" + port},
		{"--listen", free, "--metrics-listen", "127.0.0.1:" + port},
	} {
		config, _ := configOf(t, args...)
		require.ErrorContains(t, CheckFree(config), "another process listens there, perhaps another Dockit", args)
	}
	config, _ := configOf(t, "--listen", free)
	require.NoError(t, CheckFree(config))
}

// TestAddressesThatAreTried guards that each address of a configuration is
// tried, those that Caddy adds by itself as well.
func TestAddressesThatAreTried(t *testing.T) {
	addresses := func(config *caddy.Config) []string {
		t.Helper()
		all, err := listenAddresses(config)
		require.NoError(t, err)
		texts := make([]string, 0, len(all))
		for _, address := range all {
			texts = append(texts, address.String())
		}
		return texts
	}
	config, _ := configOf(t, "--domain", "a.example.com", "--metrics-listen", "localhost:9100")
	assert.ElementsMatch(t, []string{":443", ":80", ":80", "localhost:9100"}, addresses(config))
	config, _ = configOf(t, "--domain", "a.example.com", "--listen", ":8443")
	assert.ElementsMatch(t, []string{":8443"}, addresses(config))

	t.Setenv("DOCKIT_TEST_ADDRESS", "127.0.0.1:5001")
	for _, tc := range []struct {
		name, json string
		want       []string
	}{
		{"admin endpoint by default", `{}`, []string{caddy.DefaultAdminListen}},
		{"admin endpoint", `{"admin":{"listen":"localhost:2020"}}`, []string{"localhost:2020"}},
		{"a placeholder", `{"admin":{"disabled":true},"apps":{"http":{"servers":{"a":{"listen":["{env.DOCKIT_TEST_ADDRESS}"]}}}}}`, []string{"127.0.0.1:5001"}},
		{"redirects of named hosts", `{"admin":{"disabled":true},"apps":{"http":{"http_port":8080,"servers":{"a":{"listen":["10.0.0.1:8443"],"routes":[{"match":[{"host":["a.example.com"]}]}]}}}}}`, []string{"10.0.0.1:8443", "10.0.0.1:8080"}},
		{"no host, no redirects", `{"admin":{"disabled":true},"apps":{"http":{"servers":{"a":{"listen":[":8443"]}}}}}`, []string{":8443"}},
		{"nobody can listen on a port that does not parse", `{"admin":{"disabled":true},"apps":{"http":{"servers":{"a":{"listen":[":x"]}}}}}`, nil},
	} {
		var config caddy.Config
		require.NoError(t, caddy.StrictUnmarshalJSON([]byte(tc.json), &config), tc.name)
		assert.ElementsMatch(t, tc.want, addresses(&config), tc.name)
	}
}

// TestRestartRightAfterAStop guards that what the system keeps of connections
// that the server closed is not taken for another process.
func TestRestartRightAfterAStop(t *testing.T) {
	server := &http.Server{Handler: http.NotFoundHandler()}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go server.Serve(listener)
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	_, err = io.ReadAll(conn) // the server has closed first, and its side waits
	require.NoError(t, err)
	require.NoError(t, server.Close())
	address, err := caddy.ParseNetworkAddress(listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, checkFree(address))
}

func TestUnixSocketThatIsTaken(t *testing.T) {
	folder := t.TempDir()
	socket := filepath.Join(folder, "dockit.sock")
	address := caddy.NetworkAddress{Network: "unix", Host: socket + "|0660"}
	require.NoError(t, checkFree(address))
	listener, err := new(net.ListenConfig).Listen(context.Background(), "unix", socket)
	require.NoError(t, err)
	require.ErrorContains(t, checkFree(address), "another process listens there")
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, listener.Close())
	require.NoError(t, checkFree(address), "left behind")

	file := filepath.Join(folder, "file")
	require.NoError(t, os.WriteFile(file, []byte("precious"), 0o600))
	require.ErrorContains(t, checkFree(caddy.NetworkAddress{Network: "unix", Host: file}), "something else is there")
}

func TestSocketOfSystemdIsNotTried(t *testing.T) {
	require.NoError(t, checkFree(caddy.NetworkAddress{Network: "fd", Host: "3"}))
}
