package trust

import (
	"net/http"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
)

// trialData is how a token of an issuer fares. The token is not in it.
type trialData struct {
	Services       []string
	Service, Robot string
	// Result is nil before one was tried.
	Result *adminapi.TrialResult
}

func (h *pages) showTrial(v *frame.Visit) error {
	return v.Render("trytoken", "Try a token", trialData{Services: h.serviceNames()})
}

// tryToken has the admin API judge a token. It stays in the memory of this request.
func (h *pages) tryToken(v *frame.Visit) error {
	data := trialData{Services: h.serviceNames(), Service: answerTo(v, "service"), Robot: answerTo(v, "robot")}
	trial := adminapi.TokenTrial{Token: answerTo(v, "token"), Service: data.Service, Username: strings.TrimPrefix(data.Robot, "robot:")}
	if trial.Token == "" {
		return v.Refused("trytoken", "Try a token", data, frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "there is no token: paste one that an issuer signed for a job"))
	}
	var result adminapi.TrialResult
	if err := v.API(http.MethodPost, "/issuers/try", trial, &result); err != nil {
		return v.Refused("trytoken", "Try a token", data, err)
	}
	data.Result = &result
	return v.Render("trytoken", "Try a token", data)
}
