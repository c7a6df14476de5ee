package audit

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/subject"
)

func chain(n int) []Entry {
	entries := make([]Entry, n)
	previous := ""
	for i := range entries {
		e := Entry{
			Sequence: int64(i + 1), At: time.UnixMicro(int64(1_000_000 * i)).UTC(), Previous: previous,
			Event: Event{
				Action: Update, Actor: "user:root", Address: "192.0.2.1", Subject: Name(fmt.Sprintf("user:u%d", i)),
				Before: json.RawMessage(`{"admin":false}`), After: json.RawMessage(`{"admin":true}`),
			},
		}
		e.Hash = e.Digest()
		entries[i], previous = e, e.Hash
	}
	return entries
}

func follow(entries []Entry, head Head) error {
	var c Chain
	for _, e := range entries {
		if err := c.Next(e); err != nil {
			return err
		}
	}
	return c.End(head)
}

func TestChain(t *testing.T) {
	whole := chain(5)
	head := Head{5, whole[4].Hash}
	require.NoError(t, follow(whole, head))
	require.NoError(t, follow(nil, Head{}))
	require.NoError(t, follow(whole, Head{3, "of an earlier day"}), "the chain has grown since")

	for name, c := range map[string]struct {
		change func([]Entry) []Entry
		err    error
	}{
		"first removed":  {func(e []Entry) []Entry { return e[1:] }, ErrGap},
		"middle removed": {func(e []Entry) []Entry { return append(e[:2:2], e[3:]...) }, ErrGap},
		"last removed":   {func(e []Entry) []Entry { return e[:4] }, ErrCut},
		"all removed":    {func([]Entry) []Entry { return nil }, ErrCut},
		"swapped":        {func(e []Entry) []Entry { e[1], e[2] = e[2], e[1]; return e }, ErrGap},
		"renumbered": {func(e []Entry) []Entry {
			e = append(e[:2:2], e[3:]...)
			for i := range e {
				e[i].Sequence = int64(i + 1)
			}
			return e
		}, ErrAltered},
		"rewritten from there": {func(e []Entry) []Entry {
			e[4].Actor = "user:mallory"
			e[4].Hash = e[4].Digest()
			return e
		}, ErrAltered},
	} {
		t.Run(name, func(t *testing.T) {
			assert.ErrorIs(t, follow(c.change(chain(5)), head), c.err)
		})
	}
}

func TestEveryFieldCounts(t *testing.T) {
	original := chain(2)[1]
	for name, change := range map[string]func(*Entry){
		"sequence": func(e *Entry) { e.Sequence++ },
		"time":     func(e *Entry) { e.At = e.At.Add(time.Microsecond) },
		"action":   func(e *Entry) { e.Action = Grant },
		"actor":    func(e *Entry) { e.Actor = "user:other" },
		"address":  func(e *Entry) { e.Address = "" },
		"subject":  func(e *Entry) { e.Subject = "user:other" },
		"before":   func(e *Entry) { e.Before = nil },
		"after":    func(e *Entry) { e.After = json.RawMessage(`{"admin":false}`) },
		"previous": func(e *Entry) { e.Previous = "" },
		"shifted":  func(e *Entry) { e.Actor, e.Address = e.Actor+"1", e.Address[1:] },
	} {
		e := original
		change(&e)
		assert.NotEqual(t, original.Hash, e.Digest(), name)
	}
}

func TestHead(t *testing.T) {
	h := Head{7, chain(1)[0].Hash}
	parsed, err := ParseHead(h.String())
	require.NoError(t, err)
	assert.Equal(t, h, parsed)
	for _, s := range []string{"", "7", "7:", ":abc", "-1:" + h.Hash, "7:" + h.Hash + "0", "7:" + h.Hash + " x", "x:" + h.Hash, "07:" + h.Hash} {
		_, err := ParseHead(s)
		assert.Error(t, err, s)
	}
}

func TestNameOf(t *testing.T) {
	assert.Equal(t, Name("user:alice"), NameOf(subject.Ref{Kind: subject.User, Name: "alice"}))
	assert.Equal(t, Name(""), NameOf(subject.Ref{}))
}
