package dockit

import (
	"fmt"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// expand replaces the placeholders in the value of a setting. Unlike
// elsewhere in Caddy, one that is unknown or empty is an error: a secret that
// is missing must not become an empty one.
func expand(setting, value string) (string, error) {
	expanded, err := caddy.NewReplacer().ReplaceOrErr(value, true, true)
	if err != nil {
		return "", fmt.Errorf("%s: %w", setting, err)
	}
	return expanded, nil
}

// isPlaceholder reports whether a value is one placeholder and nothing else.
func isPlaceholder(value string) bool {
	return strings.HasPrefix(value, "{") && strings.IndexByte(value, '}') == len(value)-1
}

// literal escapes what Caddy would otherwise take for a placeholder.
func literal(s string) string { return strings.ReplaceAll(s, "{", `\{`) }

// secret keeps a value out of the configuration: it goes into the environment
// of this process, and a placeholder into the configuration.
func secret(variable, value string) (string, error) {
	if err := os.Setenv(variable, value); err != nil {
		return "", fmt.Errorf("set %s: %w", variable, err)
	}
	return "{env." + variable + "}", nil
}
