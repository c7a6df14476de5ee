package frame

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
)

// sessionCookieName is that of the cookie of a session. Browsers take it over TLS alone,
// from this host alone, and for all of it.
const sessionCookieName = "__Host-dockit"

// localCookie is that of a browser on this machine without TLS, which would not take
// the other.
const localCookie = "dockit"

// protected reports whether a password may be sent: over TLS, or within one machine.
func protected(r *http.Request) bool { return overTLS(r) || isLocal(r) }

// overTLS reports whether the browser speaks TLS: a proxy may to Dockit where it did not.
func overTLS(r *http.Request) bool { return auth.OriginOf(r.Context()).Encrypted }

// isLocal reports whether the browser asks its own machine, which no other one can
// make it believe. What came through a proxy did not, whatever host that names: one
// that says nothing of itself is known by its HTTP/1.0, which no browser speaks, or by
// the Origin that the browser gave.
func isLocal(r *http.Request) bool {
	if !r.ProtoAtLeast(1, 1) {
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
			return false
		}
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// IsSessionCookie reports whether a name, with blanks around it or not, is that of the
// cookie of a session, or one that differs from it by its letters' case.
func IsSessionCookie(name string) bool {
	name = strings.TrimSpace(name)
	return strings.EqualFold(name, sessionCookieName) || strings.EqualFold(name, localCookie)
}

func cookieName(r *http.Request) string {
	if overTLS(r) {
		return sessionCookieName
	}
	return localCookie
}

// sessionCookie keeps a session until the browser is closed, or forgets it when there
// is no secret.
func sessionCookie(r *http.Request, secret string) *http.Cookie {
	cookie := &http.Cookie{ //nolint:gosec // but for one that stays within this machine, below
		Name: cookieName(r), Value: secret, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if !overTLS(r) {
		cookie.Path, cookie.Secure = Root, false
	}
	if secret == "" {
		cookie.MaxAge = -1
	}
	return cookie
}

// plainRefusal is for who asks over plain HTTP, where everybody on the way could read
// the password and the session.
func plainRefusal(r *http.Request) *adminapi.Problem {
	detail := "this page is served over https alone, for passwords go over it: write https:// in the address; " +
		"on the machine of the server itself, http://localhost does, too; " +
		"if a proxy in front speaks https, it is to be named with --trusted-proxies or trusted_proxies, and to set Host and X-Forwarded-Proto"
	return Refusal(http.StatusForbidden, adminapi.CodeHTTPSNeeded, detail)
}
