package page

import (
	"net/http"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
)

// trialData is how a token of an issuer fares. The token is not in it.
type trialData struct {
	Services       []string
	Service, Robot string
	// Result is nil before one was tried.
	Result *adminapi.TrialResult
}

func (h *Handler) showTrial(v *visit) error {
	return v.render("trytoken", "Try a token", trialData{Services: h.serviceNames()})
}

// tryToken has the admin API judge a token. It stays in the memory of this request.
func (h *Handler) tryToken(v *visit) error {
	data := trialData{Services: h.serviceNames(), Service: v.answerTo("service"), Robot: v.answerTo("robot")}
	trial := adminapi.TokenTrial{Token: v.answerTo("token"), Service: data.Service, Username: strings.TrimPrefix(data.Robot, "robot:")}
	if trial.Token == "" {
		return v.refused("trytoken", "Try a token", data, refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "there is no token: paste one that an issuer signed for a job"))
	}
	var result adminapi.TrialResult
	if err := v.API(http.MethodPost, "/issuers/try", trial, &result); err != nil {
		return v.refused("trytoken", "Try a token", data, err)
	}
	data.Result = &result
	return v.render("trytoken", "Try a token", data)
}
