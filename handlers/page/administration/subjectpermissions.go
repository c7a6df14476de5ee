package administration

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/subject"
)

// permissionsData is what the page of a subject's permissions shows.
type permissionsData struct {
	Ref       subject.Ref
	Own       []adminapi.Permission
	Effective []adminapi.EffectivePermission
	// OwnNext and EffectiveNext are addresses.
	OwnNext, EffectiveNext string
	Form                   string
}

func (h *pages) showPermissions(v *frame.Visit, ref subject.Ref) error {
	data, err := permissionsOf(v, ref)
	if err != nil {
		return err
	}
	return v.Render("subjectpermissions", "Permissions of "+ref.String(), data)
}

func permissionsOf(v *frame.Visit, ref subject.Ref) (permissionsData, error) {
	data := permissionsData{Ref: ref}
	asked := v.URL.Query()
	var own adminapi.List[adminapi.Permission]
	if err := v.API(http.MethodGet, pathOf(ref)+"/permissions"+v.Listed(url.Values{}, asked.Get("cursor")), nil, &own); err != nil {
		return data, err
	}
	data.Own, data.OwnNext = own.Items, v.Following(pageOf(ref)+"/permissions", "cursor", own.NextCursor)
	var effective adminapi.List[adminapi.EffectivePermission]
	if err := v.API(http.MethodGet, pathOf(ref)+"/effective-permissions"+v.Listed(url.Values{}, asked.Get("effective")), nil, &effective); err != nil {
		return data, err
	}
	data.Effective, data.EffectiveNext = effective.Items, v.Following(pageOf(ref)+"/permissions", "effective", effective.NextCursor)
	return data, nil
}

// previewData is what a change of permissions would do.
type previewData struct {
	Ref subject.Ref
	// Revoke is set for one that goes, which is granted otherwise.
	Revoke     bool
	Permission access.Permission
	// Left is what the subject has then for the same type and name, nil for nothing.
	Left    *access.Permission
	Effects adminapi.Effects
}

// Verb is that of the command.
func (d previewData) Verb() string {
	if d.Revoke {
		return "revoke"
	}
	return "grant"
}

// Sentences are the effects in words.
func (d previewData) Sentences() []string {
	sentences := make([]string, 0, len(d.Effects.Changes))
	for _, e := range d.Effects.Changes {
		text := "Adds " + strings.Join(e.Gained, " and ") + " for " + people(e.Users, e.Robots)
		if len(e.Lost) > 0 {
			text = "Takes " + strings.Join(e.Lost, " and ") + " from " + people(e.Users, e.Robots)
		}
		some := make([]string, len(e.Some))
		for i, one := range e.Some {
			some[i] = one.String()
		}
		text += ": " + strings.Join(some, ", ")
		if len(some) < e.Users+e.Robots {
			text += " and others"
		}
		sentences = append(sentences, text+".")
	}
	return sentences
}

// people is a number of users and robots in words.
func people(users, robots int) string {
	var parts []string
	for _, part := range []struct {
		n         int
		one, many string
	}{{users, "1 person", "people"}, {robots, "1 robot", "robots"}} {
		switch part.n {
		case 0:
		case 1:
			parts = append(parts, part.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.many))
		}
	}
	return strings.Join(parts, " and ")
}

// asked is the change that a form or a link is about.
func (d *previewData) asked(text string, revoke bool) error {
	permission, err := access.ParsePermission(strings.TrimSpace(text))
	if err != nil {
		return frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "the permission: "+err.Error())
	}
	d.Permission, d.Revoke = permission, revoke
	return nil
}

// showPreview says what a change of permissions would do, before it is made.
func (h *pages) showPreview(v *frame.Visit, ref subject.Ref) error {
	query := v.URL.Query()
	data := previewData{Ref: ref}
	text := query.Get("permission")
	err := data.asked(text, query.Get("do") == "revoke")
	if err == nil {
		err = data.tried(v)
	}
	if err == nil {
		return v.Render("permissionpreview", "Permissions of "+ref.String(), data)
	}
	list, failed := permissionsOf(v, ref)
	if failed != nil {
		return failed
	}
	list.Form = text
	return v.Refused("subjectpermissions", "Permissions of "+ref.String(), list, err)
}

// tried asks what the change would do.
func (d *previewData) tried(v *frame.Visit) error {
	if d.Revoke {
		var left adminapi.Revocation
		err := d.send(v, true, &left)
		if d.Left = left.Remaining; left.Effects != nil {
			d.Effects = *left.Effects
		}
		return err
	}
	var held adminapi.Granted
	err := d.send(v, true, &held)
	if d.Left = &held.Permission.Permission; held.Effects != nil {
		d.Effects = *held.Effects
	}
	return err
}

func (d *previewData) send(v *frame.Visit, dry bool, into any) error {
	query := url.Values{}
	if dry {
		query.Set("dry_run", "true")
	}
	path := pathOf(d.Ref) + "/permissions?"
	if d.Revoke {
		query.Set("permission", d.Permission.String())
		return v.API(http.MethodDelete, path+query.Encode(), nil, into)
	}
	return v.API(http.MethodPost, path+query.Encode(), adminapi.Permission{Permission: d.Permission}, into)
}

// changePermission does what was looked at. What a binding lets in then that it should
// not, is said on the page.
func (h *pages) changePermission(v *frame.Visit, ref subject.Ref) error {
	data := previewData{Ref: ref}
	err := data.asked(v.PostFormValue("permission"), v.PostFormValue("do") == "revoke")
	var answer adminapi.Granted
	if err == nil {
		err = data.send(v, false, &answer)
	}
	if err != nil {
		list, failed := permissionsOf(v, ref)
		if failed != nil {
			return failed
		}
		list.Form = v.PostFormValue("permission")
		return v.Refused("subjectpermissions", "Permissions of "+ref.String(), list, err)
	}
	if len(answer.Warnings) > 0 {
		return v.Render("permissionwarnings", "Granted, and something to look at", struct {
			Ref      subject.Ref
			Warnings []string
		}{ref, answer.Warnings})
	}
	return v.Done(pageOf(ref)+"/permissions", "permission-"+data.Verb())
}
