package token

import (
	"encoding/json"
	"strconv"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/jsonstring"
)

// Access is what may be done to one resource, as a token says it.
type Access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// claims are what differs from token to token of a service. Dates are seconds
// since 1970, without the fractions that registries refuse.
type claims struct {
	// subject is the name of the subject that asked, empty for an anonymous request.
	subject   string
	expiresAt int64
	// notBefore is also when the token counts as issued.
	notBefore int64
	// id is different in every token.
	id string
	// access is what the token opens, nothing in the token of a login.
	access []access.Scope
}

// constantClaims are the same in every token of a service, written once. The
// audience is one string, for some registries refuse lists.
type constantClaims struct {
	// issuer stands before the subject, and audience behind it.
	issuer, audience string
}

func newConstantClaims(issuer, audience string) constantClaims {
	return constantClaims{
		issuer:   `{"iss":` + string(jsonstring.Append(nil, issuer)) + `,"sub":`,
		audience: `,"aud":` + string(jsonstring.Append(nil, audience)) + `,"exp":`,
	}
}

// append appends the payload of a token. Every claim is always present: where
// access is missing, registries read null.
func (c *constantClaims) append(dst []byte, of *claims) []byte {
	dst = append(dst, c.issuer...)
	dst = jsonstring.Append(dst, of.subject)
	dst = append(dst, c.audience...)
	dst = strconv.AppendInt(dst, of.expiresAt, 10)
	dst = append(dst, `,"nbf":`...)
	dst = strconv.AppendInt(dst, of.notBefore, 10)
	dst = append(dst, `,"iat":`...)
	dst = strconv.AppendInt(dst, of.notBefore, 10)
	dst = append(dst, `,"jti":`...)
	dst = jsonstring.Append(dst, of.id)
	dst = append(dst, `,"access":[`...)
	for i, scope := range of.access {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"type":`...)
		dst = jsonstring.Append(dst, string(scope.Type))
		dst = append(dst, `,"name":`...)
		dst = jsonstring.Append(dst, scope.Name)
		dst = append(dst, `,"actions":`...)
		dst = append(dst, actionsOf(scope)...)
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}

// actionLists are what can be done to a repository, as JSON, by the set.
var actionLists = func() (lists [access.All + 1]string) {
	for set := range lists {
		lists[set] = listOf(access.Scope{Type: access.Repository, Actions: access.Actions(set)})
	}
	return lists
}()

func actionsOf(scope access.Scope) string {
	if scope.Type == access.Repository && int(scope.Actions) < len(actionLists) {
		return actionLists[scope.Actions]
	}
	return listOf(scope)
}

func listOf(scope access.Scope) string {
	list, err := json.Marshal(scope.ActionList())
	if err != nil {
		panic(err) // no list of strings is an error
	}
	return string(list)
}
