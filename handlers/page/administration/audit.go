package administration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/handlers/page/frame"
)

// auditData is what the page of the audit shows.
type auditData struct {
	Entries []auditEntry
	Filter  auditFilter
	Actions []audit.Action
	// Next is the address of the next page, Command what does the same.
	Next, Command string
}

// auditFilter is what a form restricts the audit to.
type auditFilter struct{ Subject, Actor, Action, Since, Until string }

// Set reports whether it leaves anything out.
func (f auditFilter) Set() bool { return f != auditFilter{} }

// auditEntry is an entry in words.
type auditEntry struct {
	adminapi.AuditEntry
	// Who is the actor, or what stands for one.
	Who     string
	Changes []change
}

// change is what an entry says of one property.
type change struct{ Name, Was, Is string }

// Summary is the changes in a line.
func (e auditEntry) Summary() string {
	const most = 160
	var parts []string
	for _, c := range e.Changes {
		switch {
		case c.Is == "":
			parts = append(parts, c.Name+": was "+c.Was)
		case c.Was == "":
			parts = append(parts, c.Name+": "+c.Is)
		default:
			parts = append(parts, c.Name+": "+c.Was+" → "+c.Is)
		}
	}
	text := []rune(strings.Join(parts, ", "))
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}

func (h *pages) showAudit(v *frame.Visit) error {
	asked := v.URL.Query()
	data := auditData{
		Filter: auditFilter{
			Subject: strings.TrimSpace(asked.Get("subject")), Actor: strings.TrimSpace(asked.Get("actor")), Action: asked.Get("action"),
			Since: asked.Get("since"), Until: asked.Get("until"),
		},
		Actions: audit.Actions,
	}
	query, arguments, err := data.Filter.query()
	data.Command = frame.Command(v.Request, "audit", arguments...)
	if err == nil {
		query.Set("newest_first", "true")
		var list adminapi.List[adminapi.AuditEntry]
		if err = v.API(http.MethodGet, "/audit"+v.Listed(query, asked.Get("cursor")), nil, &list); err == nil {
			for _, entry := range list.Items {
				data.Entries = append(data.Entries, entryInWords(entry))
			}
			data.Next = v.Following("audit", "cursor", list.NextCursor)
		}
	}
	if err != nil {
		return v.Refused("audit", "Audit", data, err)
	}
	return v.Render("audit", "Audit", data)
}

// query asks the admin API, and the command line, for the same. Days are those of UTC.
func (f auditFilter) query() (query url.Values, arguments []string, err error) {
	query, arguments = url.Values{}, []string{"--since", "0"}
	for _, restriction := range []struct{ name, value string }{{"subject", f.Subject}, {"actor", f.Actor}, {"action", f.Action}} {
		if restriction.value != "" {
			query.Set(restriction.name, restriction.value)
			arguments = append(arguments, "--"+restriction.name, restriction.value)
		}
	}
	for _, bound := range []struct {
		name, day string
		days      int
	}{{"since", f.Since, 0}, {"until", f.Until, 1}} {
		if bound.day == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, bound.day)
		if err != nil {
			return nil, nil, frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, fmt.Sprintf("%.20q is no day: write it as 2026-01-31", bound.day))
		}
		at := day.AddDate(0, 0, bound.days).Format(time.RFC3339)
		query.Set(bound.name, at)
		if bound.name == "since" {
			arguments[1] = at
		} else {
			arguments = append(arguments, "--until", at)
		}
	}
	return query, arguments, nil
}

func (h *pages) showAuditEntry(v *frame.Visit) error {
	sequence, err := strconv.ParseInt(v.PathValue("sequence"), 10, 64)
	if err != nil || sequence < 1 {
		return frame.NotFound("there is no such entry of the audit: they are counted from 1")
	}
	var list adminapi.List[adminapi.AuditEntry]
	if err := v.API(http.MethodGet, "/audit?limit=1&after="+strconv.FormatInt(sequence-1, 10), nil, &list); err != nil {
		return err
	}
	if len(list.Items) == 0 || list.Items[0].Sequence != sequence {
		return frame.NotFound(fmt.Sprintf("there is no entry %d of the audit: it was cut because of its age, or is yet to come", sequence))
	}
	return v.Render("auditentry", fmt.Sprintf("Entry %d", sequence), entryInWords(list.Items[0]))
}

func entryInWords(e adminapi.AuditEntry) auditEntry {
	entry := auditEntry{AuditEntry: e, Who: string(e.Actor)}
	switch {
	case e.Actor != "":
	case e.Action.Refusal():
		entry.Who = "not known"
	default:
		entry.Who = "Dockit itself"
	}
	before, after := properties(e.Before), properties(e.After)
	names := slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(after))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if c := (change{name, before[name], after[name]}); c.Was != c.Is {
			entry.Changes = append(entry.Changes, c)
		}
	}
	return entry
}

// properties are those of a state, as texts: what is no text as JSON has it.
func properties(state json.RawMessage) map[string]string {
	var raw map[string]json.RawMessage
	if len(state) == 0 || json.Unmarshal(state, &raw) != nil {
		return nil
	}
	texts := make(map[string]string, len(raw))
	for name, value := range raw {
		var text string
		if json.Unmarshal(value, &text) != nil {
			var compact bytes.Buffer
			if json.Compact(&compact, value) == nil {
				text = compact.String()
			}
		}
		texts[name] = text
	}
	return texts
}
