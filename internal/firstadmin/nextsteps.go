package firstadmin

import (
	"fmt"
	"io"
	"strings"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/token"
)

// NextSteps are what is to be done after the first start of a server, with its
// own values. No secret is in them.
type NextSteps struct {
	// Program is how the command line is called: dockit, or caddy dockit.
	Program string
	// BaseURL is where clients reach the server. Empty: it is not known here.
	BaseURL string
	// Page is the URL of the page for people. Empty: nothing serves it.
	Page string
	// Issuer, Service and Profile are those of the first registry.
	Issuer, Service string
	Profile         token.Profile
	// Others are the names of the other registries.
	Others []string
	// Admin is the name of the first admin.
	Admin string
}

// defaultBaseURL is where the command line looks for a server by itself.
const defaultBaseURL = "http://localhost:4315"

// realm is where the registry sends clients for a token.
func (n NextSteps) realm() string {
	if n.BaseURL == "" {
		return "https://<where clients reach Dockit>/v2/token"
	}
	return n.BaseURL + "/v2/token"
}

// file is where the registry reads what it must trust.
func (n NextSteps) file() string {
	switch n.Profile {
	case token.ProfileJWKS:
		return "/etc/registry/dockit.jwks"
	case token.ProfileZot:
		return "/etc/zot/dockit.pem"
	default:
		return "/etc/registry/dockit.pem"
	}
}

// settings are those of the registry: variables, or zot's configuration.
func (n NextSteps) settings() []string {
	if n.Profile == token.ProfileZot {
		return []string{fmt.Sprintf(`{"http": {"auth": {"bearer": {"realm": %q, "service": %q, "cert": %q}}}}`, n.realm(), n.Service, n.file())}
	}
	trusted := "REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE="
	if n.Profile == token.ProfileJWKS {
		trusted = "REGISTRY_AUTH_TOKEN_JWKS="
	}
	return []string{
		"REGISTRY_AUTH=token",
		"REGISTRY_AUTH_TOKEN_REALM=" + n.realm(),
		"REGISTRY_AUTH_TOKEN_SERVICE=" + n.Service,
		"REGISTRY_AUTH_TOKEN_ISSUER=" + n.Issuer,
		trusted + n.file(),
	}
}

// bundle is the command that fetches what the registry must trust.
func (n NextSteps) bundle() string {
	command := n.Program + " init-container " + n.file()
	switch n.Profile {
	case token.ProfileJWKS:
		command += " --format jwks"
	case token.ProfileZot:
		command += " --service " + quoted(n.Service)
	case token.ProfileX5C: // is what it fetches by itself
	}
	return command + n.server()
}

// firstUser are the commands that make a user who may push.
func (n NextSteps) firstUser() []string {
	rbac := n.Program + " rbac" + n.server() + " --username " + n.Admin
	return []string{rbac + " add user:alice", rbac + " grant user:alice namespace:team:push"}
}

func (n NextSteps) server() string {
	if n.BaseURL == "" || n.BaseURL == defaultBaseURL {
		return ""
	}
	return " --base-url " + quoted(n.BaseURL)
}

// browser says where else than on the command line the first user is made.
func (n NextSteps) browser() string {
	switch {
	case n.Page == "":
		return ""
	case strings.HasPrefix(n.Page, "http://"):
		return fmt.Sprintf("   or do so in a browser, as %s: %s\n   (on this machine; from elsewhere the page wants https)\n\n", n.Admin, n.Page)
	default:
		return fmt.Sprintf("   or do so in a browser, as %s: %s\n\n", n.Admin, n.Page)
	}
}

// quoted writes a value as a shell takes it.
func quoted(value string) string {
	if strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:/_-") == "" {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// Print writes them for a person.
func (n NextSteps) Print(w io.Writer) {
	indented := func(lines []string) string { return "       " + strings.Join(lines, "\n       ") }
	about := ""
	if strings.HasPrefix(n.BaseURL, "http://") {
		about = ",\n   with the address that clients have for Dockit in place of " + n.BaseURL
	}
	if len(n.Others) > 0 {
		about += ";\n   likewise the service " + strings.Join(n.Others, ", ")
	}
	fmt.Fprintf(w, `Three things to do next:

1. Tell the registry who issues its tokens, and restart it%s:

%s

2. Fetch what it must trust, where it reads that file:

%s

3. Make the first user, who may push to everything below team/:

%s

%s`, about, indented(n.settings()), indented([]string{n.bundle()}), indented(n.firstUser()), n.browser())
}

// Log writes them into the log, in one entry of whatever format that has.
func (n NextSteps) Log(logger *zap.Logger) {
	fields := []zap.Field{zap.Strings("registry", n.settings()), zap.String("bundle", n.bundle()), zap.Strings("first_user", n.firstUser())}
	if n.Page != "" {
		fields = append(fields, zap.String("page", n.Page))
	}
	if len(n.Others) > 0 {
		fields = append(fields, zap.Strings("other_services", n.Others))
	}
	logger.Info("first start: configure the registry, fetch what it must trust, and make the first user", fields...)
}
