package main

import (
	"os"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// awaitCommand waits until a file exists and matches a regular expression:
//
//	await REGEXP FILE
func awaitCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await REGEXP FILE")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	path := ts.MkAbs(args[1])
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if content, err := os.ReadFile(path); err == nil && pattern.Match(content) {
			return
		}
	}
	content, err := os.ReadFile(path)
	ts.Fatalf("nothing matches %q in %s after %s: %s %v", args[0], args[1], patience, content, err)
}

// touch makes a file that a script can wait for.
func touch(path string) { _ = os.WriteFile(path, []byte("here\n"), 0o600) }
