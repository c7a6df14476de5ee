package ciplatform

import (
	"context"
	"encoding/json"
)

const (
	circleCIProgram  = "circleci"
	circleCIVariable = "CIRCLE_OIDC_TOKEN_V2"
)

// fromCircleCI asks the program that every job has, or takes the token that the job
// was started with: that one is meant for the organization.
func (e Environment) fromCircleCI() *Source {
	token := e.get(circleCIVariable)
	if !e.isCircleCI() || token == "" && !installed(circleCIProgram) {
		return nil
	}
	const cure = "the program circleci, which gets tokens for any audience, has to be on the PATH"
	if !installed(circleCIProgram) {
		return &Source{name: circleCIVariable, cure: cure, fetch: func(context.Context, string) (string, error) { return token, nil }}
	}
	return &Source{name: circleCIProgram, cure: cure, fetch: func(ctx context.Context, audience string) (string, error) {
		claims, err := json.Marshal(map[string]string{"aud": audience})
		if err != nil {
			return "", err
		}
		asked, err := run(ctx, circleCIProgram, "run", "oidc", "get", "--claims", string(claims))
		if err != nil && token != "" { // on a server of CircleCI's before 4.4
			return token, nil // whom it is for is looked at
		}
		return asked, err
	}}
}
