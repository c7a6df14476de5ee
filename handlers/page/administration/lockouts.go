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
	// First is the first that can be forgotten, nil where there is none.
	First *namedLockout
}

// namedLockout is a lockout of a user or a robot.
type namedLockout struct {
	Ref     subject.Ref
	Network string
}

func (h *pages) showLockouts(v *frame.Visit) error {
	var list adminapi.List[adminapi.Lockout]
	if err := v.API(http.MethodGet, "/lockouts"+v.Listed(url.Values{}, v.URL.Query().Get("cursor")), nil, &list); err != nil {
		return err
	}
	data := lockoutsData{Lockouts: list.Items, Next: list.NextCursor, Now: h.Now()}
	var err error
	data.First, err = firstLockout(v, list.Items)
	if err != nil {
		return err
	}
	return v.Render("lockouts", "Lockouts", data)
}

// firstLockout is the first of those whose name somebody has. Who had it may be gone by now: a few are asked for.
func firstLockout(v *frame.Visit, all []adminapi.Lockout) (*namedLockout, error) {
	tries := 3
	for _, lockout := range all {
		if lockout.Username == "" || tries == 0 {
			continue
		}
		tries--
		for _, kind := range []subject.Kind{subject.User, subject.Robot} {
			first := namedLockout{subject.Ref{Kind: kind, Name: lockout.Username}, lockout.Network}
			err := v.API(http.MethodGet, pathOf(first.Ref), nil, nil)
			if problem, ok := errors.AsType[*adminapi.Problem](err); !ok || problem.Code != adminapi.CodeNotFound {
				return &first, err
			}
		}
	}
	return nil, nil //nolint:nilnil // there is none
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
