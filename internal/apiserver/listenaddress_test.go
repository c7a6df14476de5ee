package apiserver

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestListenAddressThatMeansSomethingElse(t *testing.T) {
	for address, say := range map[string]string{
		"::1": "write [::1]:4315", "[::1]": "write [::1]:4315", "127.0.0.1": "write 127.0.0.1:4315", "::1:4315": "write [::1:4315]:4315",
		"4315": "write host:port", "localhost": "write host:port", "http://localhost:4315": "write host:port", "": "write host:port",
		"localhost:http": "the port is a number", ":70000": "the port is a number", "localhost:": "the port is a number", ":4000-4010": "the port is a number",
		"udp/:4315": "write host:port", "fd/x": "write fd/3", "unix/": "write host:port",
		"unix:/run/dockit.sock": "write a Unix socket as unix//run/dockit.sock", "unix:///run/dockit.sock": "unix//run/dockit.sock",
		"unix//run/dockit.sock|rw": "mode of the socket", "unix//run/dockit.sock|0440": "mode of the socket",
	} {
		require.ErrorContains(t, checkAddress("--listen", address), say, address)
	}
	for _, address := range []string{
		":4315", "localhost:4315", "127.0.0.1:0", "[::1]:4315", "tcp4/:4315", "tcp6/[::]:4315", "fd/3",
		"unix//run/dockit.sock", "unix//run/dockit.sock|0660", "unix/dockit.sock", "unix/@dockit",
	} {
		assert.NoError(t, checkAddress("--listen", address), address)
	}
}

func TestMetricsOnTheMainPort(t *testing.T) {
	for _, tc := range []struct {
		args []string
		free bool
	}{
		{[]string{"--metrics-listen", ":4315"}, false},
		{[]string{"--metrics-listen", "localhost:4315"}, false},
		{[]string{"--listen", "localhost:4315", "--metrics-listen", "127.0.0.1:4315"}, false},
		{[]string{"--listen", "10.0.0.1:4315", "--metrics-listen", "127.0.0.1:4315"}, true},
		{[]string{"--listen", "unix//run/a", "--metrics-listen", "unix//run/a"}, false},
		{[]string{"--domain", "a.example.com", "--metrics-listen", ":443"}, false},
		{[]string{"--domain", "a.example.com", "--metrics-listen", "localhost:80"}, false},
		{[]string{"--domain", "a.example.com", "--listen", ":8443", "--metrics-listen", ":80"}, true},
		{[]string{"--domain", "a.example.com", "--metrics-listen", ":4315"}, true},
		{[]string{"--listen", "localhost:0", "--metrics-listen", "localhost:0"}, true},
		{[]string{"--metrics-listen", "localhost:9100"}, true},
	} {
		o := new(Options)
		require.NoError(t, pflagSet(o).Parse(tc.args))
		err := o.checkMetricsAddress()
		if tc.free {
			assert.NoError(t, err, tc.args)
		} else {
			require.ErrorContains(t, err, "metrics need one of their own", tc.args)
		}
	}
}
