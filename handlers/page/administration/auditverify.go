package administration

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/handlers/page/frame"
)

// verifyTime is how long one look at the chain may take: a request ends after half a
// minute.
const verifyTime = 10 * time.Second

// verifiedData is what a look at the chain has found.
type verifiedData struct {
	// Expect is a head that was kept elsewhere, as it was filled in.
	Expect string
	// Known is set when the chain holds that head, Gone when that entry was cut.
	Known, Gone bool
	// Broken says what is wrong, empty when nothing is.
	Broken string
	// Entries is how many there were to look at, from number From on.
	Entries, From int64
	// CutUntil is when the last of those was made that were cut, zero without any.
	CutUntil time.Time
	Head     audit.Head
	// Unfinished is set when there was no time for the rest.
	Unfinished bool
}

// verifyAudit follows the chain, as rbac audit verify does.
func (h *pages) verifyAudit(v *frame.Visit) error {
	data := verifiedData{Expect: strings.TrimSpace(v.URL.Query().Get("expect"))}
	var known audit.Head
	if data.Expect != "" {
		var err error
		if known, err = audit.ParseHead(data.Expect); err != nil {
			return v.Refused("auditverify", "The chain of the audit", data, frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, err.Error()))
		}
	}
	for attempt := 1; ; attempt++ {
		found := verifiedData{Expect: data.Expect}
		err := followChain(v, &found, known)
		if err != nil && (!errors.Is(err, errCutMeanwhile) || attempt == 3) { // it is cut once a day
			return err
		}
		if err == nil {
			return v.Render("auditverify", "The chain of the audit", found)
		}
	}
}

// errCutMeanwhile is returned when the audit is cut while it is read.
var errCutMeanwhile = errors.New("the audit was cut while it was read")

// followChain reads the audit from where it was cut to its end.
func followChain(v *frame.Visit, data *verifiedData, known audit.Head) error {
	began := time.Now()
	// The head is read first: the chain may grow in the meantime, not shrink.
	var head adminapi.AuditHead
	if err := v.API(http.MethodGet, "/audit/head", nil, &head); err != nil {
		return err
	}
	checkpoints, err := checkpointsOf(v)
	if errors.Is(err, audit.ErrCheckpoint) || errors.Is(err, audit.ErrAltered) {
		data.Broken = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	last, statement := checkpoints.Last()
	data.From = last.Sequence + 1
	if statement != "" {
		data.CutUntil = last.Until
	}
	if data.Gone, err = checkpoints.Cut(known); err != nil {
		data.Broken = err.Error()
		return nil //nolint:nilerr // the page says so
	}
	chain := checkpoints.Chain()
	for {
		var list adminapi.List[adminapi.AuditEntry]
		query := url.Values{"limit": {"1000"}, "after": {strconv.FormatInt(chain.Head().Sequence, 10)}}
		if err := v.API(http.MethodGet, "/audit?"+query.Encode(), nil, &list); err != nil {
			return err
		}
		for _, entry := range list.Items {
			if err := chain.Next(entry.Entry); err != nil {
				if again, failed := checkpointsOf(v); failed == nil && again.Count() > checkpoints.Count() {
					return errCutMeanwhile
				}
				data.Broken = err.Error()
				return nil
			}
			if entry.Sequence == known.Sequence || entry.Sequence == head.Sequence {
				if broken := endsAt(chain, entry.Sequence, known, head.Head); broken != nil {
					data.Broken = broken.Error()
					return nil //nolint:nilerr // the page says so
				}
			}
		}
		data.Entries += int64(len(list.Items))
		if list.NextCursor == "" {
			break
		}
		if time.Since(began) > verifyTime {
			data.Unfinished, data.Head = true, chain.Head()
			return nil
		}
	}
	data.Head = chain.Head()
	if err := chain.End(head.Head); err != nil {
		data.Broken = err.Error()
	} else if known.Sequence > 0 && !data.Gone {
		if err := chain.End(known); err != nil {
			data.Broken = err.Error()
		}
		data.Known = data.Broken == ""
	}
	return nil
}

// endsAt compares an entry with heads of its number.
func endsAt(chain audit.Chain, sequence int64, heads ...audit.Head) error {
	for _, head := range heads {
		if head.Sequence == sequence {
			if err := chain.End(head); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkpointsOf are where the audit was cut, the last of them signed under an authority
// that this Dockit has.
func checkpointsOf(v *frame.Visit) (*audit.Checkpoints, error) {
	all, cursor := new(audit.Checkpoints), ""
	for {
		query := url.Values{"limit": {"1000"}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		var list adminapi.List[adminapi.AuditCheckpoint]
		if err := v.API(http.MethodGet, "/audit/checkpoints?"+query.Encode(), nil, &list); err != nil {
			return nil, err
		}
		for _, one := range list.Items {
			if err := all.Next(one.Statement); err != nil {
				return nil, err
			}
		}
		if cursor = list.NextCursor; cursor == "" {
			break
		}
	}
	_, statement := all.Last()
	if statement == "" {
		return all, nil
	}
	keys, err := keysOf(v)
	if err != nil {
		return nil, err
	}
	var trusted []string
	for _, key := range keys {
		if key.RevokedAt.IsZero() && key.State != "unused" && (key.Purpose == "authority" || key.External) {
			trusted = append(trusted, key.Fingerprint)
		}
	}
	_, err = statement.Verify(trusted)
	return all, err
}
