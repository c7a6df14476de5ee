package main

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// pretendCommand starts a server that is no Dockit, until the script ends, and
// sets $DOCKIT_BASE_URL to its URL:
//
//	pretend STATUS FILE [hang]
//
// It answers everything with the file. With hang it sends half of that, makes
// the file `half` in the script's folder, and waits.
func pretendCommand(ts *testscript.TestScript, neg bool, args []string) {
	hang := len(args) == 3 && args[2] == "hang"
	if neg || len(args) < 2 || len(args) == 3 && !hang || len(args) > 3 {
		ts.Fatalf("usage: pretend STATUS FILE [hang]")
	}
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	content := []byte(ts.ReadFile(args[1]))
	half := ts.MkAbs("half")
	released := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !hang {
			w.WriteHeader(status)
			_, _ = w.Write(content)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content[:len(content)/2])
		_ = http.NewResponseController(w).Flush()
		touch(half)
		select {
		case <-released:
		case <-r.Context().Done():
		case <-time.After(patience):
		}
	}))
	ts.Defer(func() {
		close(released)
		server.Close()
	})
	ts.Setenv("DOCKIT_BASE_URL", server.URL)
}
