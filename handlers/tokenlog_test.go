package handlers

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// logged gives the server a log of its own and returns what is in it.
func (f *fixture) logged() *observer.ObservedLogs {
	f.Helper()
	core, logs := observer.New(zap.InfoLevel)
	config := f.server.config
	config.Logger = zap.New(core)
	var err error
	if f.server, err = New(config); err != nil {
		f.Fatal(err)
	}
	return logs
}

func TestEveryTokenRequestIsLogged(t *testing.T) {
	f := withPeople(t)
	logs := f.logged()
	asked := "repository:team/tool:pull,push"
	forService := "service=" + service
	for _, tc := range []struct {
		name    string
		request *http.Request
		message string
		fields  map[string]any
	}{
		{"granted", tokenGET(alice, forService, "scope="+asked), "token issued", map[string]any{
			"subject": "alice", "service": service, "asked": []any{asked}, "granted": []any{asked}, "grant": "basic",
			"client_ip": "192.0.2.1", "user_agent": "docker/29",
		}},
		{"not granted", tokenGET(alice, forService, "scope=repository:secret/app:pull"), "token issued", map[string]any{
			"subject": "alice", "granted": []any{}, "not_granted": []any{"repository:secret/app:pull"},
		}},
		{"in part", tokenGET("", forService, "scope=repository:public/app:pull,push"), "token issued", map[string]any{
			"subject": "", "granted": []any{"repository:public/app:pull"}, "not_granted": []any{"repository:public/app:push"}, "grant": "anonymous",
		}},
		{"by form", tokenPOST(form("grant_type=password", "username=alice", "password=correct horse battery", forService), formType), "token issued", map[string]any{"subject": "alice", "grant": "password"}},
		{"wrong password", tokenGET("alice:planted", forService), "token refused", map[string]any{
			"subject": "alice", "reason": "wrong password", "outcome": "unauthorized", "status": int64(401), "service": service,
		}},
		{"unknown name", tokenGET("planted:wrong", forService), "token refused", map[string]any{"reason": "nobody has this name", "subject": nil}},
		{"disabled", tokenGET("gone:password of the gone", forService), "token refused", map[string]any{"subject": "gone", "reason": "the subject is disabled"}},
		{"unknown service", tokenGET(alice, "service=other.example.com"), "token refused", map[string]any{
			"service": "other.example.com", "status": int64(400),
			"reason": `unknown service "other.example.com": configure it in Dockit (--service, or service in a Caddyfile), or set REGISTRY_AUTH_TOKEN_SERVICE ` +
				`at the registry to the name that it has there; configured: jwks.example.com, registry.example.com, zot.example.com`,
		}},
		{"what steers a terminal", tokenGET(alice, "service=a\u202eb\x1b[2J"), "token refused", map[string]any{"service": "ab[2J"}},
		{"no service", tokenGET(alice), "token refused", map[string]any{"service": "", "outcome": "invalid"}},
		{"a method", httptest.NewRequest(http.MethodDelete, tokenPath, nil), "token refused", map[string]any{"status": int64(405)}},
		{"a body of another type", httptest.NewRequest(http.MethodPost, tokenPath, strings.NewReader("{}")), "token refused", map[string]any{"outcome": "invalid"}},
	} {
		tc.request.Header.Set("User-Agent", "docker/29")
		w := f.do(tc.request)
		lines := logs.TakeAll()
		if len(lines) != 1 || lines[0].Message != tc.message || lines[0].Level != zap.InfoLevel || lines[0].LoggerName != "token" {
			t.Fatalf("%s: status %d, log %+v", tc.name, w.Code, lines)
		}
		got := lines[0].ContextMap()
		for field, want := range tc.fields {
			if fmt.Sprint(got[field]) != fmt.Sprint(want) {
				t.Errorf("%s: %s is %v, want %v", tc.name, field, got[field], want)
			}
		}
		if _, ok := got["duration"]; !ok {
			t.Errorf("%s: no duration in %v", tc.name, got)
		}
		if (got["key_id"] != nil && got["key_id"] != "") != (tc.message == "token issued") {
			t.Errorf("%s: key %v", tc.name, got["key_id"])
		}
		if strings.Contains(fmt.Sprint(got), "planted") {
			t.Errorf("%s: what may be a password is in the log: %v", tc.name, got)
		}
	}
}

func TestLogOfTokensIsBounded(t *testing.T) {
	f := withPeople(t)
	logs := f.logged()
	scopes := []string{"service=" + service}
	for i := range 60 {
		scopes = append(scopes, fmt.Sprintf("scope=repository:%s/%d:pull", strings.Repeat("a", 200), i))
	}
	r := tokenGET(alice, scopes...)
	r.Header.Set("User-Agent", strings.Repeat("b", 10_000)+"\n")
	f.do(r)
	f.do(tokenGET(alice, "service="+strings.Repeat("c", 5_000)+"\n"))
	for _, line := range logs.TakeAll() {
		for name, value := range line.ContextMap() {
			if length := len(fmt.Sprint(value)); length > (maxLogged+1)*300 {
				t.Errorf("%s: %s has %d bytes", line.Message, name, length)
			}
		}
		if asked, _ := line.ContextMap()["asked"].([]any); len(asked) > maxLogged+1 {
			t.Errorf("%s tells of %d scopes", line.Message, len(asked))
		}
	}
}

func TestRefusalsOfOnePlaceAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		l := newRefusalLog(zap.New(core), "more tokens refused")
		guesser, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.7")
		told := 0
		for i := range 1000 {
			// Another address of the same customer is the same place.
			address := guesser.As16()
			address[15] = byte(i)
			if l.take(netip.AddrFrom16(address)) {
				told++
			}
		}
		if told != refusalLines {
			t.Errorf("%d of one place have lines of their own, want %d", told, refusalLines)
		}
		if !l.take(other) || !l.take(netip.Addr{}) {
			t.Error("others are not told of")
		}
		if logs.Len() != 0 {
			t.Errorf("counted before the end of the window: %v", logs.All())
		}
		time.Sleep(refusalWindow)
		synctest.Wait()
		lines := logs.TakeAll()
		if len(lines) != 1 || lines[0].ContextMap()["count"] != int64(1000-refusalLines) || lines[0].ContextMap()["client_network"] != "2001:db8::/64" {
			t.Fatalf("%+v", lines)
		}
		if !l.take(guesser) {
			t.Error("nothing is told of in the next window")
		}
	})
}

func TestRefusalsOfManyPlacesAreBounded(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	l := newRefusalLog(zap.New(core), "more tokens refused")
	first := netip.MustParseAddr("10.0.0.0")
	address := first
	for range refusalLines + 5 {
		l.take(first)
	}
	for range maxPlaces + 1 {
		address = address.Next()
		l.take(address)
	}
	if l.places.Len() != maxPlaces {
		t.Errorf("%d places are remembered", l.places.Len())
	}
	if !slices.ContainsFunc(logs.All(), func(e observer.LoggedEntry) bool { return e.ContextMap()["count"] == int64(5) }) {
		t.Error("the count of a place that is forgotten is lost")
	}
}

// Whatever a request fails with because its client left, in the words of
// whichever database, is no error that anybody could do something about.
func TestClientsThatLeaveAreNoErrors(t *testing.T) {
	f := withPeople(t)
	logs := f.logged()
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, err := range []error{context.Canceled, errors.New("interrupted (9)"), sql.ErrConnDone, driver.ErrBadConn} {
		if told := f.server.refuse(gone, httptest.NewRecorder(), err); told.status != StatusClientClosed {
			t.Errorf("%v: %d, which an access log has as an error", err, told.status)
		}
	}
	f.do(tokenGET(alice, "service="+service).WithContext(gone))
	f.do(httptest.NewRequestWithContext(gone, http.MethodGet, readyPath+"?can=change", nil))
	for _, line := range logs.TakeAll() {
		if line.Level > zap.InfoLevel {
			t.Errorf("%s: %s %v", line.Level, line.Message, line.ContextMap())
		}
	}
	_ = f.server.refuse(t.Context(), httptest.NewRecorder(), errors.New("interrupted (9)"))
	if logs.FilterLevelExact(zap.ErrorLevel).Len() != 1 {
		t.Errorf("with a client, it is one: %+v", logs.All())
	}
}
