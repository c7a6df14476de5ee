package administration

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/subject"
)

// lockoutsData is what the page of lockouts shows.
type lockoutsData struct {
	Lockouts []adminapi.Lockout
	Next     string // cursor
	Now      time.Time
}

func (h *pages) showLockouts(v *frame.Visit) error {
	var list adminapi.List[adminapi.Lockout]
	if err := v.API(http.MethodGet, "/lockouts"+v.Listed(url.Values{}, v.URL.Query().Get("cursor")), nil, &list); err != nil {
		return err
	}
	return v.Render("lockouts", "Lockouts", lockoutsData{list.Items, list.NextCursor, h.Now()})
}

// clearLockout forgets the wrong passwords for a name, which is that of a user or a
// robot.
func (h *pages) clearLockout(v *frame.Visit) error {
	query := ""
	if network := v.PostFormValue("network"); network != "" {
		query = "?network=" + url.QueryEscape(network)
	}
	var err error
	for _, kind := range []subject.Kind{subject.User, subject.Robot} {
		err = v.API(http.MethodDelete, "/"+kind.Plural()+"/"+url.PathEscape(v.PostFormValue("name"))+"/lockouts"+query, nil, nil)
		if problem, ok := errors.AsType[*adminapi.Problem](err); !ok || problem.Code != adminapi.CodeNotFound {
			break
		}
	}
	if err != nil {
		return err
	}
	return v.Done("lockouts", "lockout-cleared")
}
