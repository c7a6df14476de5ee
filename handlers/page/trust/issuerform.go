package trust

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
)

// maxIssuer is the largest form with keys and certificates, in bytes.
const maxIssuer = 256 << 10

// issuerForm is the form of an issuer to be trusted.
type issuerForm struct {
	Platform platform
	// Questions are those that matter, and More those that few need.
	Questions, More []question
	// Open is set when one of those has an answer.
	Open bool
	// Command does the same.
	Command string
}

// issuerQuestions are asked of an issuer of the sort.
func (p platform) issuerQuestions() (first, more []question) {
	place := p.place
	place.Name, place.Required = "place", true
	first = []question{{Name: "name", Label: "Name", Value: p.ID, Required: true, Most: 128, Hint: "How it is called here. Small letters, digits and . _ @ - between them."}, place}
	audiences := question{Name: "audiences", Label: "Audiences", Rows: 2, Most: 4096, Hint: "What its tokens must name as aud, for any service, one in each line. Empty: the service, or https:// and the service."}
	keys := question{Name: "jwks", Label: "Keys", Rows: 4, Most: 32768, Placeholder: `{"keys": [...]}`, Hint: "A JWK set, where Dockit cannot reach the issuer. Keys that are given are never refreshed. Empty: they are found by discovery."}
	if p.given {
		keys.Hint = "What kubectl get --raw /openid/v1/jwks prints, where Dockit cannot reach the cluster. Keys that are given are never refreshed. Empty: they are found by discovery."
		first, more = append(first, audiences, keys), nil
	} else {
		more = []question{audiences, keys}
	}
	return first, append(more,
		question{Name: "jwks_url", Label: "Address of its keys", Hint: "Instead of where discovery says."},
		question{Name: "jwks_host", Label: "Another host for its keys", Placeholder: "keys.example.com", Hint: "Beside its own, for the keys that discovery names."},
		question{Name: "ca", Label: "Certificates that vouch for its host", Rows: 3, Most: 16384, Placeholder: "-----BEGIN CERTIFICATE-----", Hint: "In PEM, and they alone. Empty: those of the system of the server."},
		question{Name: "bearer_file", Label: "File with a token to fetch the keys with", Placeholder: "/var/run/secrets/kubernetes.io/serviceaccount/token", Hint: "On the server."},
		question{Name: "max_age", Label: "How old a token may be", Placeholder: "24h"},
	)
}

func (h *pages) newIssuer(v *frame.Visit) error {
	p, err := platformCalled(v.PathValue("kind"))
	if err != nil {
		return err
	}
	first, more := p.issuerQuestions()
	return v.Render("issuerform", "Trust "+p.Title, issuerForm{
		Platform: p, Questions: first, More: more,
		Command: frame.Command(v.Request, "issuer add", p.ID, "--kind", string(p.Kind), "--url", p.issuerURL(orElse(p.place.Value, orElse(p.place.Placeholder, "URL")))),
	})
}

func (h *pages) trustIssuer(v *frame.Visit) error {
	p, err := platformCalled(v.PathValue("kind"))
	if err != nil {
		return err
	}
	wanted, err := p.issuer(v)
	if err == nil {
		err = v.API(http.MethodPost, "/issuers", wanted, nil)
	}
	if err != nil {
		first, more := p.issuerQuestions()
		form := issuerForm{Platform: p, Questions: answered(v, first), More: answered(v, more), Command: issuerCommand(v.Request, wanted)}
		for _, q := range form.More {
			form.Open = form.Open || q.Value != ""
		}
		return v.Refused("issuerform", "Trust "+p.Title, form, err)
	}
	return v.Done("issuers/"+url.PathEscape(wanted.Name), "issuer-trusted")
}

// issuer makes a request of the form.
func (p platform) issuer(v *frame.Visit) (adminapi.NewIssuer, error) {
	wanted := adminapi.NewIssuer{
		Name: answerTo(v, "name"), URL: p.issuerURL(answerTo(v, "place")), Kind: string(p.Kind), Audiences: strings.Fields(answerTo(v, "audiences")),
		JWKSURL: answerTo(v, "jwks_url"), JWKS: answerTo(v, "jwks"), JWKSHost: answerTo(v, "jwks_host"), CA: answerTo(v, "ca"), BearerFile: answerTo(v, "bearer_file"),
	}
	var err error
	wanted.MaxAge, err = secondsOf("how old a token may be", answerTo(v, "max_age"))
	return wanted, err
}

// issuerCommand does the same. Keys and certificates come from files there.
func issuerCommand(r *http.Request, i adminapi.NewIssuer) string {
	arguments := []string{i.Name, "--kind", i.Kind, "--url", i.URL}
	for _, audience := range i.Audiences {
		arguments = append(arguments, "--audience", audience)
	}
	switch {
	case i.JWKS != "":
		arguments = append(arguments, "--jwks", "jwks.json")
	case i.JWKSURL != "":
		arguments = append(arguments, "--jwks", i.JWKSURL)
	}
	if i.JWKSHost != "" {
		arguments = append(arguments, "--jwks-host", i.JWKSHost)
	}
	if i.CA != "" {
		arguments = append(arguments, "--ca-file", "ca.pem")
	}
	if i.BearerFile != "" {
		arguments = append(arguments, "--bearer-file", i.BearerFile)
	}
	if i.MaxAge > 0 {
		arguments = append(arguments, "--max-age", durationOf(i.MaxAge, 0))
	}
	return frame.Command(r, "issuer add", arguments...)
}

// orElse is the first text that is not empty.
func orElse(text, otherwise string) string {
	if text != "" {
		return text
	}
	return otherwise
}
