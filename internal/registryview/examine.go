package registryview

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/challenge"
	"github.com/dockit-registry/dockit/internal/printable"
)

// clocksApart is how far apart the clocks of a registry and of Dockit may be.
const clocksApart = time.Minute

// Finding is what one look at a registry showed.
type Finding struct {
	// Check is what was looked at.
	Check string
	OK    bool
	// Possible is set on what may be wrong, or is so for some clients only.
	Possible bool
	Message  string
}

// Examination is what was found out about how a registry and Dockit get on.
type Examination struct {
	Findings []Finding
	// Refused is set when the registry refuses a token, and nothing that was found says
	// why.
	Refused bool
}

func (e *Examination) good(check, format string, args ...any) {
	e.Findings = append(e.Findings, Finding{Check: check, OK: true, Message: fmt.Sprintf(format, args...)})
}

func (e *Examination) bad(check, format string, args ...any) {
	e.Findings = append(e.Findings, Finding{Check: check, Message: fmt.Sprintf(format, args...)})
}

func (e *Examination) maybe(check, format string, args ...any) {
	e.Findings = append(e.Findings, Finding{Check: check, Possible: true, Message: fmt.Sprintf(format, args...)})
}

// Examine asks the registry for its challenge, compares it and the clocks with Dockit's,
// and shows it a token that opens nothing. realm is where clients get their tokens, as
// far as Dockit knows. The registry alone is asked: where it sends its clients may
// be anywhere.
func (r *Registry) Examine(ctx context.Context, realm string) Examination {
	var e Examination
	done, err := r.asking.take(ctx, "") // no viewer's
	if err != nil {
		e.bad("registry", "it is being asked too much at the moment: try again")
		return e
	}
	defer done()
	greeting, err := r.client.Greet(ctx, "")
	if err != nil {
		e.bad("registry", "%v", err)
		return e
	}
	apart := e.compareClocks(greeting.Header, greeting.Took, r.tokens.now())
	asked, err := challenge.Of(greeting.Header)
	switch {
	case greeting.Status == http.StatusOK:
		e.bad("registry", "%s answers without a token: everybody may do everything; %v", r.client, challenge.ErrOther)
		return e
	case greeting.Status != http.StatusUnauthorized:
		e.bad("registry", "%s/v2/ answers with status %d: is that a registry?", r.client, greeting.Status)
		return e
	case err != nil:
		e.bad("registry", "%s: %v", r.client, err)
		return e
	}
	e.good("registry", "%s asks for tokens for service %q from %s", r.client, onOneLine(asked.Service), onOneLine(asked.Realm))
	other := asked.Service != r.service
	if other {
		e.bad("service", "the registry asks for tokens for %q, and is taken for that of %q: set REGISTRY_AUTH_TOKEN_SERVICE at the registry to that", onOneLine(asked.Service), r.service)
	} else {
		e.good("service", "%q is what both call it", r.service)
	}
	e.compareRealm(asked.Realm, realm, r.client.String())
	e.showToken(ctx, r, apart || other)
	return e
}

// onOneLine is what a registry says, within bounds and on one line.
func onOneLine(s string) string { return printable.Clip(printable.Line(s)) }

// compareClocks reports whether the clock of a registry, as it stands in an answer that
// took some time until now, is certainly too far from Dockit's.
func (e *Examination) compareClocks(header http.Header, took time.Duration, now time.Time) bool {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		e.maybe("clocks", "the registry does not say what time it has")
		return false
	}
	const half = 500 * time.Millisecond // the header shows seconds
	ahead := date.Add(half).Sub(now.Add(-took / 2))
	if max(ahead, -ahead)-took/2-half <= clocksApart {
		e.good("clocks", "the registry's and Dockit's agree")
		return false
	}
	if ahead > 0 {
		e.bad("clocks", "the registry's is %s ahead of Dockit's, so that tokens expire early or at once; set both by NTP", ahead.Round(time.Second))
	} else {
		e.bad("clocks", "the registry's is %s behind Dockit's, so that new tokens are not valid yet; set both by NTP", (-ahead).Round(time.Second))
	}
	return true
}

// compareRealm looks at where a registry sends its clients.
func (e *Examination) compareRealm(given, own, registry string) {
	realm, err := url.Parse(given)
	at, ownErr := url.Parse(own)
	from, fromErr := url.Parse(registry)
	switch {
	case err != nil || realm.Host == "" || realm.Scheme != "http" && realm.Scheme != "https":
		e.bad("realm", "%q is no URL: set REGISTRY_AUTH_TOKEN_REALM at the registry to Dockit's address with /v2/token behind it", onOneLine(given))
	case ownErr != nil || fromErr != nil:
		e.maybe("realm", "clients are sent to %s", onOneLine(given))
	case realm.Path == "/auth/token":
		e.bad("realm", "%s is made of the registry's own address, because autoredirect is on: turn REGISTRY_AUTH_TOKEN_AUTOREDIRECT off and set REGISTRY_AUTH_TOKEN_REALM "+
			"to Dockit's address with /v2/token behind it", onOneLine(given))
	case !strings.HasSuffix(realm.Path, at.Path):
		e.bad("realm", "%s is not Dockit's token endpoint, whose path is %s: set REGISTRY_AUTH_TOKEN_REALM at the registry", onOneLine(given), at.Path)
	case realm.Scheme == "http" && from.Scheme == "https":
		e.bad("realm", "%s is on http while the registry is on https: crane, regctl and oras refuse that", onOneLine(given))
	case strings.EqualFold(realm.Host, at.Host) && realm.Scheme == at.Scheme && realm.Path == at.Path:
		e.good("realm", "clients are sent to %s, the host of this page", onOneLine(given))
	default:
		e.maybe("realm", "clients are sent to %s, and this page is at %s://%s: the doctor on the command line finds out whether that is the same Dockit", onOneLine(given), at.Scheme, at.Host)
	}
}

// showToken shows the registry a token that opens nothing. explained is set when it is
// known why it refuses one.
func (e *Examination) showToken(ctx context.Context, r *Registry, explained bool) {
	bearer, err := r.tokens.forNothing()
	if err != nil {
		e.bad("token", "%v", err)
		return
	}
	greeting, err := r.client.Greet(ctx, bearer)
	if err != nil {
		e.bad("token", "%v", err)
		return
	}
	refused, _ := challenge.Of(greeting.Header)
	switch {
	case greeting.Status == http.StatusOK, greeting.Status == http.StatusForbidden, refused.Problem == "insufficient_scope":
		e.good("token", "the registry accepts one of this Dockit")
	case greeting.Status == http.StatusUnauthorized:
		e.bad("token", "the registry refuses one of this Dockit (%s)", onOneLine(refused.Problem))
		e.Refused = !explained
	default:
		e.bad("token", "the registry answers with status %d to one of this Dockit: see its log", greeting.Status)
	}
}
