package ciplatform

import (
	"context"
	"strings"
)

const buildkiteAgent = "buildkite-agent"

// fromBuildkite asks the agent that runs the job.
func (e Environment) fromBuildkite() *Source {
	if !e.isBuildkite() || !installed(buildkiteAgent) {
		return nil
	}
	// The ids that bindings ask for: a token has them for the asking only.
	claims := []string{"organization_id", "pipeline_id"}
	if more := e.get("BUILDKITE_OIDC_TOKEN_CLAIMS"); more != "" { // the agent would not look there any more
		claims = append(claims, strings.Split(more, ",")...)
	}
	return &Source{name: buildkiteAgent, cure: "it was asked for that", fetch: func(ctx context.Context, audience string) (string, error) {
		arguments := []string{"oidc", "request-token", "--audience", audience}
		for _, claim := range claims {
			arguments = append(arguments, "--claim", strings.TrimSpace(claim))
		}
		return run(ctx, buildkiteAgent, arguments...)
	}}
}
