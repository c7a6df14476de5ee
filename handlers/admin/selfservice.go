package admin

import (
	"context"
	"net/http"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/subject"
)

// ownPaths are what a user may do below its own path, and ownReads what it may see
// there: what it may do itself, and why.
var (
	ownPaths = map[string]bool{"password": true, accessTokensPath: true, refreshTokensPath: true}
	ownReads = map[string]bool{"permissions": true, "effective-permissions": true, "can": true, "groups": true}
)

// isOwn reports whether a request is one of those that a user may make about
// itself. It takes the password, or a sign-in with it at the page: what can be
// revoked must not be able to make something that outlives it.
func isOwn(r *http.Request, p auth.Principal) bool {
	if p.Ref.Kind != subject.User || p.Method != auth.ByPassword && p.Method != auth.ByPage {
		return false
	}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	// The router would see an escaped slash as part of a name.
	if strings.Contains(strings.ToLower(r.URL.EscapedPath()), "%2f") {
		return false
	}
	path, _ := strings.CutPrefix(r.URL.Path, prefix+"/")
	if rest, ok := strings.CutPrefix(path, subject.User.Plural()+"/"+p.Ref.Name+"/"); ok {
		return ownPaths[rest] || reads && ownReads[rest]
	}
	// These name no owner: who may touch what is found out below.
	return strings.HasPrefix(path, accessTokensPath+"/") || strings.HasPrefix(path, refreshTokensPath+"/")
}

// checkOwner refuses what belongs to another subject.
func checkOwner(ctx context.Context, owner subject.Ref) error {
	caller := callerOf(ctx)
	if caller.Admin || caller.Ref == owner {
		return nil
	}
	return problem(http.StatusForbidden, adminapi.CodeForbidden, caller.Ref.String()+" is not an admin, and this does not belong to it")
}
