package ciplatform

import "context"

const bitbucketVariable = "BITBUCKET_STEP_OIDC_TOKEN"

// fromBitbucket takes the token that a step was started with.
func (e Environment) fromBitbucket() *Source {
	token := e.get(bitbucketVariable)
	if token == "" {
		return nil
	}
	return &Source{
		name: bitbucketVariable, cure: "write it below oidc: audiences: of the step, instead of oidc: true",
		fetch: func(context.Context, string) (string, error) { return token, nil },
	}
}
