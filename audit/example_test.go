package audit_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/audit"
)

// follow checks that entries are a whole chain, from the first to the newest.
func follow(entries []audit.Entry, newest audit.Head) error {
	var chain audit.Chain
	for _, entry := range entries {
		if err := chain.Next(entry); err != nil {
			return err
		}
	}
	return chain.End(newest)
}

// An entry that is altered, or missing, breaks the chain at its place.
func Example() {
	var entries []audit.Entry
	var newest audit.Head
	for _, event := range []audit.Event{
		{Action: audit.Create, Actor: "user:admin", Subject: "robot:ci"},
		{Action: audit.Grant, Actor: "user:admin", Subject: "robot:ci", After: []byte(`{"permissions":["repository:team/*:push"]}`)},
		{Action: audit.CreateToken, Actor: "user:admin", Subject: "robot:ci"},
	} {
		entry := audit.Entry{Sequence: newest.Sequence + 1, At: time.Unix(1_800_000_000, 0), Event: event, Previous: newest.Hash}
		entry.Hash = entry.Digest()
		entries, newest = append(entries, entry), audit.Head{Sequence: entry.Sequence, Hash: entry.Hash}
	}
	fmt.Println(follow(entries, newest))

	fmt.Println(follow(entries[:2], newest))
	fmt.Println(follow([]audit.Entry{entries[0], entries[2]}, newest))

	entries[1].Actor = "user:mallory"
	err := follow(entries, newest)
	fmt.Println(errors.Is(err, audit.ErrAltered), err)
	// Output:
	// <nil>
	// the newest entries are missing: the last is 2, and there were 3
	// entries are missing: 3 follows 1
	// true the entry was altered: 2 does not have its hash
}

// A head that was written down elsewhere is compared later.
func ExampleParseHead() {
	_, err := audit.ParseHead("7")
	fmt.Println(err)
	// Output: "7" is no head of an audit: write <sequence>:<hash>
}
