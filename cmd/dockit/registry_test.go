package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dockit-registry/dockit/internal/idtoken"
	"github.com/dockit-registry/dockit/internal/issuertest"
	"github.com/dockit-registry/dockit/internal/opaque"
)

type registryKey struct{}

// registry plays a registry, the token endpoint that it names, and what GitHub and
// Forgejo ask for tokens: nothing of that can be had in a test.
type registry struct {
	server *httptest.Server
	// service and realm are in its challenge.
	service, realm string
	issuer         *issuertest.Issuer
	t              *testing.T
	seen           string

	mu      sync.Mutex
	refusal string
	tokens  []string
}

// registryCommand plays a registry on a loopback address, which is $REGISTRY:
//
//	registry start [SERVICE [REALM]]
//	registry refuse SENTENCE | accept | stop
//
// Its realm is its own unless one is given. What it is asked for goes to the file
// seen, a line for each request. $ACTIONS_URL is where a job of GitHub asks for its
// token, which the issuer of the script signs.
func registryCommand(t *testing.T) func(ts *testscript.TestScript, neg bool, args []string) {
	t.Helper()
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) == 0 {
			ts.Fatalf("usage: registry start|refuse|accept|stop")
		}
		kept := ts.Value(registryKey{}).(**registry)
		switch of := *kept; args[0] {
		case "start":
			of = &registry{service: "registry", issuer: *issuerOf(ts), t: t, seen: ts.MkAbs("seen")}
			of.server = httptest.NewUnstartedServer(of)
			url := "http://" + of.server.Listener.Addr().String()
			of.realm = url + "/v2/token"
			if len(args) > 1 {
				of.service = args[1]
			}
			if len(args) > 2 {
				of.realm = args[2]
			}
			of.server.Start() // it reads what stands above
			ts.Defer(of.server.Close)
			*kept = of
			ts.Setenv("REGISTRY", strings.TrimPrefix(url, "http://"))
			ts.Setenv("ACTIONS_URL", url+"/actions?api-version=2.0")
		case "refuse", "accept":
			of.mu.Lock()
			of.refusal = strings.Join(args[1:], " ")
			of.mu.Unlock()
		case "stop":
			of.server.Close()
		default:
			ts.Fatalf("registry %s: use start, refuse, accept or stop", args[0])
		}
	}
}

// ServeHTTP implements [http.Handler].
func (f *registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer := func(status int, body map[string]any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /v2/":
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q,service=%q", f.realm, f.service))
		answer(http.StatusUnauthorized, map[string]any{"errors": []any{}})
	case "GET /actions":
		f.see("actions %s", r.URL.RawQuery)
		if r.Header.Get("Authorization") != "bearer of-the-job" {
			answer(http.StatusUnauthorized, map[string]any{"message": "not yours"})
			return
		}
		claims := f.issuer.Claims(time.Now(), r.URL.Query().Get("audience"), issuertest.GitHub())
		answer(http.StatusOK, map[string]any{"count": 1, "value": f.issuer.Sign(f.t, claims)})
	case "POST /v2/token":
		status, body := f.exchange(r)
		answer(status, body)
	case "POST /v2/token/revoke":
		token := r.PostFormValue("token")
		at := slices.Index(f.tokens, token)
		if fields := names(r); fields != "token token_type_hint" || r.PostFormValue("token_type_hint") != "access_token" || at < 0 {
			f.see("revoke of something else: %s", fields)
			if f.refusal != "" {
				answer(http.StatusBadRequest, map[string]any{"error": f.refusal, "error_description": "an admin does that"})
				return
			}
			answer(http.StatusBadRequest, map[string]any{"error": "invalid_request", "error_description": "unknown token"})
			return
		}
		f.tokens = slices.Delete(f.tokens, at, at+1)
		f.see("revoked")
		w.WriteHeader(http.StatusOK)
	default:
		http.NotFound(w, r)
	}
}

// exchange answers as the contract has it, and only a request that is exactly that.
func (f *registry) exchange(r *http.Request) (status int, body map[string]any) {
	refuse := func(code, sentence string) (int, map[string]any) {
		f.see("refused %s", code)
		return http.StatusBadRequest, map[string]any{"error": code, "error_description": sentence, "errors": []any{map[string]any{"code": "UNSUPPORTED", "message": sentence}}}
	}
	fields := names(r)
	token, err := idtoken.Parse(r.PostFormValue("subject_token"))
	switch {
	case f.refusal != "":
		return refuse("invalid_request", f.refusal)
	case r.Header.Get("Content-Type") != "application/x-www-form-urlencoded",
		fields != "audience grant_type subject_token subject_token_type" && fields != "audience grant_type resource subject_token subject_token_type",
		r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange",
		r.PostFormValue("subject_token_type") != "urn:ietf:params:oauth:token-type:jwt":
		return refuse("invalid_request", "not as RFC 8693 has it: "+fields)
	case r.PostFormValue("audience") != f.service:
		return refuse("invalid_target", "unknown service")
	case err != nil:
		return refuse("invalid_request", err.Error())
	}
	robot := r.PostFormValue("resource")
	if robot == "nobody" {
		return refuse("invalid_target", `there is no robot "nobody"`)
	}
	f.see("exchange audience=%s resource=%s aud=%v", r.PostFormValue("audience"), robot, token.Claims["aud"])
	if robot == "" {
		robot = "ci"
	}
	made := opaque.New(opaque.Access).Reveal()
	f.tokens = append(f.tokens, made)
	return http.StatusOK, map[string]any{
		"access_token": made, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "N_A",
		"expires_in": 21600, "username": robot,
	}
}

// names are the fields of a form, in order and once for each value.
func names(r *http.Request) string {
	_ = r.ParseForm()
	var all []string
	for name, values := range r.PostForm {
		for range values {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func (f *registry) see(format string, args ...any) {
	file, err := os.OpenFile(f.seen, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, _ = fmt.Fprintf(file, format+"\n", args...)
		_ = file.Close()
	}
}
