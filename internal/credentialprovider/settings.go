package credentialprovider

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/dockit-registry/dockit/internal/printable"
)

// ParseRegistry reads the host of a registry, with its port if that is in the names of
// images. It takes no wildcards: a token goes where the administrator wrote down that it may.
func ParseRegistry(s string) (string, error) {
	host := strings.ToLower(s)
	switch {
	case strings.Contains(s, "://") || strings.Contains(s, "/"):
		return "", fmt.Errorf("%q: write the host alone, such as registry.example.com", printable.Clip(s))
	case strings.Contains(s, "*"):
		return "", fmt.Errorf("%q: write each host, without wildcards", printable.Clip(s))
	case !isHost(host):
		return "", fmt.Errorf("%q is no host: write it as images have it, such as registry.example.com or registry.example.com:5000", printable.Clip(s))
	}
	return host, nil
}

// ParseServer reads where Dockit is. Over http a token could be read on the way.
func ParseServer(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return nil, fmt.Errorf("%q: write a URL such as https://dockit.example.com", printable.Clip(s))
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return nil, fmt.Errorf("%q: a token that goes there can be read on the way; use https", printable.Clip(s))
	}
	return u, nil
}

// ParseMode reads a mode.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case Exchange, Echo:
		return m, nil
	default:
		return "", fmt.Errorf("%q: use exchange or echo", printable.Clip(s))
	}
}
