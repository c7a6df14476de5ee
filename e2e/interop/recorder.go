package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/port"
)

// recorder is a proxy in front of a Dockit that keeps what clients ask it for tokens by.
type recorder struct {
	host   string
	server *http.Server

	mu    sync.Mutex
	asked []string
}

// startRecorder starts one in front of a host, until it is closed.
func startRecorder(ctx context.Context, to string) (*recorder, error) {
	p, err := port.Free(ctx)
	if err != nil {
		return nil, err
	}
	r := &recorder{host: port.Localhost(p)}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.host)
	if err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(request *httputil.ProxyRequest) {
		request.SetURL(&url.URL{Scheme: "http", Host: to})
	}}
	r.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
		seen := &statusWriter{ResponseWriter: w}
		proxy.ServeHTTP(seen, request)
		r.keep(describe(request, body, seen.status))
	})}
	go func() { _ = r.server.Serve(listener) }() // until it is closed
	return r, nil
}

// statusWriter knows the status that was answered with.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Close ends the recorder.
func (r *recorder) Close() error { return r.server.Close() }

func (r *recorder) keep(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, what)
}

// take is what was asked since the last time, the same once with how often.
func (r *recorder) take() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	times := map[string]int{}
	for _, what := range r.asked {
		if times[what] == 0 {
			all = append(all, what)
		}
		times[what]++
	}
	r.asked = nil
	for i, what := range all {
		if n := times[what]; n > 1 {
			all[i] = fmt.Sprintf("%s (%d×)", what, n)
		}
	}
	return all
}

// describe says how a token was asked for, without what is another one each time.
func describe(r *http.Request, body []byte, status int) string {
	parameters := r.URL.Query()
	words := []string{r.Method}
	if _, _, basic := r.BasicAuth(); basic {
		words = append(words, "Basic")
	}
	if r.Method == http.MethodPost {
		if form, err := url.ParseQuery(string(body)); err == nil {
			parameters = form
		}
		words = append(words, parameters.Get("grant_type"))
		if r.ContentLength < 0 {
			words = append(words, "chunked")
		}
		if _, parameter, found := strings.Cut(r.Header.Get("Content-Type"), ";"); found {
			words = append(words, strings.TrimSpace(parameter))
		}
	}
	var names []string
	for name, values := range parameters {
		switch name {
		case "scope", "grant_type", "service":
		case "offline_token", "access_type":
			names = append(names, name+"="+values[0])
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	words = append(words, names...)
	switch scopes := parameters["scope"]; {
	case len(scopes) == 0:
		words = append(words, "no scope")
	default:
		words = append(words, "scope="+strings.Join(scopes, " & scope="))
	}
	if status != http.StatusOK {
		words = append(words, fmt.Sprint("→ ", status))
	}
	return strings.Join(words, " ")
}
