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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	f.server, err = New(config)
	require.NoError(f, err)
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
		require.Len(t, lines, 1, "%s: status %d", tc.name, w.Code)
		require.Equal(t, tc.message, lines[0].Message, "%s: status %d", tc.name, w.Code)
		require.Equal(t, zap.InfoLevel, lines[0].Level, "%s: status %d", tc.name, w.Code)
		require.Equal(t, "token", lines[0].LoggerName, "%s: status %d", tc.name, w.Code)
		got := lines[0].ContextMap()
		for field, want := range tc.fields {
			assert.Equal(t, fmt.Sprint(want), fmt.Sprint(got[field]), "%s: %s is %v, want %v", tc.name, field, got[field], want)
		}
		_, ok := got["duration"]
		assert.True(t, ok, "%s: no duration in %v", tc.name, got)
		assert.Equal(t, tc.message == "token issued", got["key_id"] != nil && got["key_id"] != "", "%s: key %v", tc.name, got["key_id"])
		assert.NotContains(t, fmt.Sprint(got), "planted", "%s: what may be a password is in the log: %v", tc.name, got)
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
			length := len(fmt.Sprint(value))
			assert.LessOrEqual(t, length, (maxLogged+1)*300, "%s: %s has %d bytes", line.Message, name, length)
		}
		asked, _ := line.ContextMap()["asked"].([]any)
		assert.LessOrEqual(t, len(asked), maxLogged+1, "%s tells of %d scopes", line.Message, len(asked))
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
		assert.Equal(t, refusalLines, told, "of one place have lines of their own")
		assert.True(t, l.take(other), "others are not told of")
		assert.True(t, l.take(netip.Addr{}), "others are not told of")
		assert.Zero(t, logs.Len(), "counted before the end of the window: %v", logs.All())
		time.Sleep(refusalWindow)
		synctest.Wait()
		lines := logs.TakeAll()
		require.Len(t, lines, 1)
		require.Equal(t, int64(1000-refusalLines), lines[0].ContextMap()["count"])
		require.Equal(t, "2001:db8::/64", lines[0].ContextMap()["client_network"])
		assert.True(t, l.take(guesser), "nothing is told of in the next window")
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
	assert.Equal(t, maxPlaces, l.places.Len(), "places are remembered")
	assert.True(t, slices.ContainsFunc(logs.All(), func(e observer.LoggedEntry) bool { return e.ContextMap()["count"] == int64(5) }), "the count of a place that is forgotten is lost")
}

// Whatever a request fails with because its client left, in the words of
// whichever database, is no error that an administrator could do something about.
func TestClientsThatLeaveAreNoErrors(t *testing.T) {
	f := withPeople(t)
	logs := f.logged()
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, err := range []error{context.Canceled, errors.New("interrupted (9)"), sql.ErrConnDone, driver.ErrBadConn} {
		assert.Equal(t, StatusClientClosed, f.server.refuse(gone, httptest.NewRecorder(), err).status, "%v: which an access log has as an error", err)
	}
	f.do(tokenGET(alice, "service="+service).WithContext(gone))
	f.do(httptest.NewRequestWithContext(gone, http.MethodGet, readyPath+"?can=change", nil))
	for _, line := range logs.TakeAll() {
		assert.LessOrEqual(t, line.Level, zap.InfoLevel, "%s %v", line.Message, line.ContextMap())
	}
	_ = f.server.refuse(t.Context(), httptest.NewRecorder(), errors.New("interrupted (9)"))
	assert.Equal(t, 1, logs.FilterLevelExact(zap.ErrorLevel).Len(), "with a client, it is one: %+v", logs.All())
}
