package firstadmin

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dockit-registry/dockit/internal/token"
)

// TestNextStepsOfProfiles has what each kind of registry wants.
func TestNextStepsOfProfiles(t *testing.T) {
	for profile, want := range map[token.Profile][]string{
		token.ProfileX5C:  {"REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE=/etc/registry/dockit.pem", "dockit init-container /etc/registry/dockit.pem\n"},
		token.ProfileJWKS: {"REGISTRY_AUTH_TOKEN_JWKS=/etc/registry/dockit.jwks", "dockit init-container /etc/registry/dockit.jwks --format jwks\n"},
		token.ProfileZot:  {`"cert": "/etc/zot/dockit.pem"`, "dockit init-container /etc/zot/dockit.pem --service 'my registry'\n"},
	} {
		var out bytes.Buffer
		NextSteps{Program: "dockit", BaseURL: "http://localhost:4315", Issuer: "dockit", Service: "my registry", Profile: profile, Admin: "admin"}.Print(&out)
		for _, part := range want {
			assert.Contains(t, out.String(), part, profile)
		}
	}
}

// TestNextStepsNameThePage has the page where somebody serves it, and says where it can be opened.
func TestNextStepsNameThePage(t *testing.T) {
	const note = "(on this machine; from elsewhere the page wants https)"
	for page, want := range map[string]struct{ page, note bool }{
		"":                                  {},
		"https://admin.example.com/dockit/": {page: true},
		"http://localhost:4315/dockit/":     {page: true, note: true},
	} {
		var out bytes.Buffer
		NextSteps{Program: "dockit", Service: "registry", Admin: "root", Page: page}.Print(&out)
		assert.Equal(t, want.page, bytes.Contains(out.Bytes(), []byte("in a browser, as root: "+page+"\n")), page)
		assert.Equal(t, want.note, bytes.Contains(out.Bytes(), []byte(note)), page)
	}
}
