package main

import (
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dockit-registry/dockit/internal/issuertest"
)

type issuerKey struct{}

// issuerCommand plays a GitLab on a loopback address, whose URL is $ISSUER_URL and
// whose keys are in the file jwks.json:
//
//	issuer start | away | back | rotate
func issuerCommand(t *testing.T) func(ts *testscript.TestScript, neg bool, args []string) {
	t.Helper()
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: issuer start|away|back|rotate")
		}
		if args[0] == "start" {
			*issuerOf(ts) = issuertest.New(t)
			ts.Setenv("ISSUER_URL", (*issuerOf(ts)).URL)
		}
		issuer := *issuerOf(ts)
		switch args[0] {
		case "start":
		case "away", "back":
			issuer.Away(args[0] == "away")
		case "rotate":
			issuer.Rotate(t)
		default:
			ts.Fatalf("issuer %s: use start, away, back or rotate", args[0])
		}
		ts.Check(os.WriteFile(ts.MkAbs("jwks.json"), issuer.JWKS(), 0o600))
	}
}

func issuerOf(ts *testscript.TestScript) **issuertest.Issuer {
	return ts.Value(issuerKey{}).(**issuertest.Issuer)
}

// signCommand writes a token of the issuer for a job on the main branch of the
// project 20, with other claims where some are given:
//
//	sign FILE AUDIENCE [NAME=VALUE]...
func signCommand(t *testing.T) func(ts *testscript.TestScript, neg bool, args []string) {
	t.Helper()
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) < 2 {
			ts.Fatalf("usage: sign FILE AUDIENCE [NAME=VALUE]...")
		}
		issuer, changes := *issuerOf(ts), claimsOf(args[2:])
		token := issuer.Sign(t, issuer.Claims(time.Now(), args[1], issuertest.GitLab(), changes))
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(token+"\n"), 0o600))
	}
}
