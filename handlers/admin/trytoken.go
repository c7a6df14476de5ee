package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/federation/verifier"
	"github.com/dockit-registry/dockit/internal/idtoken"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

type triedOutput struct {
	Body adminapi.TrialResult
}

// reasonUnknownIssuer stands beside the reasons of package verifier.
const reasonUnknownIssuer = "unknown_issuer"

// tryToken judges a token as a login does, goes on where that ends, and records
// nothing.
func (a *API) tryToken(ctx context.Context, in *struct{ Body adminapi.TokenTrial }) (*triedOutput, error) {
	service, err := a.triedService(in.Body.Service)
	if err != nil {
		return nil, err
	}
	if err := triedName(in.Body.Username); err != nil {
		return nil, a.problemOf(ctx, err)
	}
	known, err := a.config.Store.Federation(ctx)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	request := verifier.Request{Token: strings.TrimSpace(in.Body.Token), Service: service, Username: cmp.Or(in.Body.Username, verifier.AnyRobot)}
	judge := verifier.New(verifier.Options{Now: a.config.Store.Now, Trust: func(context.Context) (*verifier.Trust, error) { return auth.TrustOf(known), nil }})
	result := adminapi.TrialResult{Service: service, Issuers: []string{}, Problems: []adminapi.TrialProblem{}, Bindings: []adminapi.TrialBinding{}}
	explained, err := judge.Explain(ctx, request)
	var refused *verifier.Refused
	switch {
	case errors.Is(err, verifier.ErrNotRecognized):
		result.Problems = append(result.Problems, notRecognized(known, request.Token))
	case errors.As(err, &refused):
		result.Issuers = append(result.Issuers, refused.Issuer)
		result.Problems = append(result.Problems, problemWith(refused))
	case err != nil:
		return nil, a.problemOf(ctx, err)
	default:
		if err := a.explain(ctx, &result, explained); err != nil {
			return nil, a.problemOf(ctx, err)
		}
	}
	return &triedOutput{result}, nil
}

// triedService is the service that is asked for, or the first one.
func (a *API) triedService(asked string) (string, error) {
	var names []string
	for _, service := range a.config.Services {
		if service.Name == asked || asked == "" {
			return service.Name, nil
		}
		names = append(names, service.Name)
	}
	return "", invalid(fmt.Errorf("no such service %q: use %s", printable.Clip(asked), strings.Join(names, ", ")))
}

// notRecognized says of what is no token of an issuer what it is, as far as that
// can be told.
func notRecognized(known store.Federation, token string) adminapi.TrialProblem {
	if _, err := idtoken.Parse(token); err != nil {
		return adminapi.TrialProblem{Reason: string(verifier.Malformed), Detail: err.Error()}
	}
	iss := idtoken.Issuer(token)
	detail := fmt.Sprintf("no issuer has the URL %q, which is the iss of the token", printable.Clip(printable.Line(iss)))
	plain := func(url string) string { return strings.TrimSuffix(strings.ToLower(url), "/") }
	for _, issuer := range known.Issuers {
		if near, is := plain(issuer.URL), plain(iss); near == is || strings.HasPrefix(is, near+"/") || strings.HasPrefix(near, is+"/") {
			return adminapi.TrialProblem{Reason: reasonUnknownIssuer, Detail: fmt.Sprintf("%s; %s has %q, and it must be equal to the byte", detail, issuer.Name, issuer.URL)}
		}
	}
	return adminapi.TrialProblem{Reason: reasonUnknownIssuer, Detail: detail + ": add it with rbac issuer add"}
}

func problemWith(r *verifier.Refused) adminapi.TrialProblem {
	detail := r.Detail
	if r.Reason == verifier.UnknownKey {
		detail += ": if it is a new one, run rbac issuer refresh " + r.Issuer
	}
	return adminapi.TrialProblem{Reason: string(r.Reason), Detail: detail}
}

// explain says what a login would come to.
func (a *API) explain(ctx context.Context, result *adminapi.TrialResult, x verifier.Explanation) error {
	result.Issuers, result.Until = x.Issuers, x.Until
	for _, claim := range x.Claims {
		result.Claims = append(result.Claims, adminapi.TrialClaim(claim))
	}
	for _, p := range x.Problems {
		result.Problems = append(result.Problems, problemWith(p))
	}
	for _, b := range x.Bindings {
		result.Bindings = append(result.Bindings, triedBinding(b))
	}
	if x.Login == nil {
		if len(result.Problems) == 0 && x.Refused != nil {
			result.Problems = append(result.Problems, problemWith(x.Refused))
		}
		return nil
	}
	robot, err := a.config.Store.Subject(ctx, x.Login.Binding.Robot)
	if err != nil {
		return err
	}
	if robot.Disabled {
		result.Problems = append(result.Problems, adminapi.TrialProblem{Reason: string(verifier.RobotDisabled), Detail: robot.Ref.String() + " is disabled"})
		return nil
	}
	result.Accepted, result.Binding, result.Robot, result.Scopes = true, x.Login.Binding.Name, robot.Ref, x.Login.Binding.Scopes
	effective, err := a.config.Store.EffectivePermissions(ctx, robot.Ref)
	for _, e := range effective {
		result.Permissions = append(result.Permissions, effectiveOf(e))
	}
	return err
}

func triedBinding(b verifier.ExplainedBinding) adminapi.TrialBinding {
	tried := adminapi.TrialBinding{Name: b.Name, Robot: b.Robot, Disabled: b.Disabled, Holds: b.Holds, Conditions: make([]adminapi.TrialCondition, len(b.Findings))}
	for i, f := range b.Findings {
		tried.Conditions[i] = adminapi.TrialCondition{Claim: f.Name, Want: f.Want, Got: f.Got, Present: f.Present, Holds: f.Holds}
	}
	return tried
}

// triedName refuses what no subject can be called.
func triedName(name string) error {
	if name == "" || name == verifier.AnyRobot {
		return nil
	}
	return subject.ValidateName(name)
}
