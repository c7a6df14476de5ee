package trust

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/subject"
)

// bindingForm is the form of a binding to be made.
type bindingForm struct {
	Issuer   string
	Platform platform
	// Names, Conditions and Limits are the questions, in that order.
	Names, Conditions, Limits []question
	// Robots are proposed.
	Robots []string
	// Known are the claims of such tokens, for further conditions.
	Known []federation.Claim
	// Command does the same.
	Command string
}

// questions are those of a binding to an issuer of the sort.
func (p platform) questions() (names, conditions, limits []question) {
	names = []question{
		{Name: "name", Label: "Name", Placeholder: "app-main", Required: true, Most: 128, Hint: "How the binding is called. Small letters, digits and . _ @ - between them."},
		{Name: "robot", Label: "Robot", Placeholder: "ci", Required: true, Most: 140, List: "robots", Hint: "Who such a job logs in as."},
	}
	for _, c := range p.conditions {
		conditions = append(conditions, c.question)
	}
	more := question{Name: "claims", Label: "More conditions", Rows: 3, Most: 16384, Placeholder: "NAME=VALUE", Hint: "One in each line, as --claim has them. * stands for characters between two slashes, ** for any number of such parts. The same name twice: one of the values."}
	if len(conditions) == 0 {
		more.Label, more.Required = "Conditions", true
	}
	limits = []question{
		{Name: "scopes", Label: "Of what the robot may do, only these permissions", Rows: 2, Most: 16384, Placeholder: "repository:team/app:push", Hint: "One in each line, as --scope has them. Empty: all that the robot may do."},
		{Name: "expose", Label: "Claims that permissions of the robot may name", Rows: 2, Most: 4096, Placeholder: "k8s.namespace=kubernetes.io/namespace", Hint: "NAME=CLAIM, one in each line, as --expose has them: {NAME} in a permission stands for what the token says."},
		{Name: "session", Label: "A login lasts at most", Placeholder: "6h", Hint: "1m to 24h."},
		{Name: "allow_unprotected", Label: "Take it although it lets in more jobs than is likely to be wanted (--allow-unprotected)", Tick: "true"},
	}
	return names, append(conditions, more), limits
}

// boundIssuer is the issuer that a binding is to be made for.
func boundIssuer(v *frame.Visit) (adminapi.Issuer, error) {
	var issuer adminapi.Issuer
	err := v.API(http.MethodGet, issuerPath(v.PathValue("issuer")), nil, &issuer)
	return issuer, err
}

func (h *pages) newBinding(v *frame.Visit) error {
	issuer, err := boundIssuer(v)
	if err != nil {
		return err
	}
	form, err := formOf(v, issuer)
	if err != nil {
		return err
	}
	form.Command = frame.Command(v.Request, "binding add", "app-main", "--issuer", issuer.Name, "--robot", "robot:ci", "--claim", "NAME=VALUE")
	return v.Render("bindingform", "Bind jobs of "+issuer.Name, form)
}

func formOf(v *frame.Visit, issuer adminapi.Issuer) (bindingForm, error) {
	form := bindingForm{Issuer: issuer.Name, Platform: platformOf(issuer.NewIssuer)}
	form.Names, form.Conditions, form.Limits = form.Platform.questions()
	form.Known = form.Platform.Kind.KnownClaims()
	var robots adminapi.List[adminapi.Subject]
	if err := v.API(http.MethodGet, "/robots?limit=200", nil, &robots); err != nil {
		return form, err
	}
	for _, robot := range robots.Items {
		form.Robots = append(form.Robots, robot.Name)
	}
	return form, nil
}

func (h *pages) makeBinding(v *frame.Visit) error {
	issuer, err := boundIssuer(v)
	if err != nil {
		return err
	}
	wanted, err := platformOf(issuer.NewIssuer).binding(v, issuer.Name)
	if err == nil {
		err = v.API(http.MethodPost, "/bindings", wanted, nil)
	}
	if err != nil {
		form, failed := formOf(v, issuer)
		if failed != nil {
			return failed
		}
		form.Names, form.Conditions, form.Limits = answered(v, form.Names), answered(v, form.Conditions), answered(v, form.Limits)
		form.Command = bindingCommand(v.Request, wanted)
		return v.Refused("bindingform", "Bind jobs of "+issuer.Name, form, err)
	}
	return v.Done("bindings/"+url.PathEscape(wanted.Name), "binding-made")
}

// binding makes a request of the form.
func (p platform) binding(v *frame.Visit, issuer string) (adminapi.NewBinding, error) {
	wanted := adminapi.NewBinding{
		Name: answerTo(v, "name"), Issuer: issuer, Claims: p.claims(v), AllowUnprotected: answerTo(v, "allow_unprotected") == "true",
		Expose: strings.Fields(answerTo(v, "expose")),
		Robot:  subject.Ref{Kind: subject.Robot, Name: strings.TrimPrefix(answerTo(v, "robot"), "robot:")},
	}
	if err := subject.ValidateName(wanted.Robot.Name); err != nil {
		return wanted, frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, fmt.Sprintf("robot: %v", err))
	}
	if len(wanted.Claims) == 0 {
		return wanted, frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "there is no condition, and every token of "+issuer+" would do: say which jobs are meant")
	}
	for line := range strings.FieldsSeq(answerTo(v, "scopes")) {
		scope, err := access.ParsePermission(line)
		if err != nil {
			return wanted, frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, fmt.Sprintf("what it may do at most: %v", err))
		}
		wanted.Scopes = append(wanted.Scopes, scope)
	}
	var err error
	wanted.Session, err = secondsOf("how long a login lasts", answerTo(v, "session"))
	return wanted, err
}

// claims are the conditions that a form means, NAME=VALUE.
func (p platform) claims(v *frame.Visit) []string {
	var claims []string
	for _, c := range p.conditions {
		answer := answerTo(v, c.Name)
		if answer == "" || c.Tick != "" && answer != c.Tick {
			continue
		}
		claims = append(claims, c.claim+"="+c.before+strings.TrimPrefix(answer, c.before))
		claims = append(claims, c.also...)
	}
	for line := range strings.Lines(answerTo(v, "claims")) {
		if line = strings.TrimSpace(line); line != "" {
			claims = append(claims, line)
		}
	}
	return claims
}

// bindingCommand does the same.
func bindingCommand(r *http.Request, b adminapi.NewBinding) string {
	arguments := []string{b.Name, "--issuer", b.Issuer, "--robot", b.Robot.String()}
	for _, claim := range b.Claims {
		arguments = append(arguments, "--claim", claim)
	}
	for _, scope := range b.Scopes {
		arguments = append(arguments, "--scope", scope.String())
	}
	for _, exposure := range b.Expose {
		arguments = append(arguments, "--expose", exposure)
	}
	if b.Session > 0 {
		arguments = append(arguments, "--session", durationOf(b.Session, 0))
	}
	if b.AllowUnprotected {
		arguments = append(arguments, "--allow-unprotected")
	}
	return frame.Command(r, "binding add", arguments...)
}
