package passwords

import (
	"net/netip"

	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// Request asks for a password to be checked.
type Request struct {
	// Username is lower-case only; any other is an unknown name.
	Username string
	Password string
	// Address is that of the client, zero when it is unknown.
	Address netip.Addr
}

// Result is what came of a [Request].
type Result struct {
	// Login is that of the user. It is zero unless the password is right.
	Login store.Login
	// Subject is the user or robot of the name, whether the password is right or
	// wrong, and zero for an unknown name. Like Fault, it is for the log: the client
	// must not learn it.
	Subject subject.Ref
	// Fault says what is wrong with a password that was refused. It is empty when
	// that was not looked at.
	Fault string
}

// faultOf says why a password was refused that was checked.
func faultOf(login store.Login) string {
	switch {
	case login.ID == 0:
		return "nobody has this name"
	case login.Disabled:
		return "the subject is disabled"
	case login.PasswordHash == "" && login.PasswordMadeBy != "":
		return "the password is not good here or any more: the token " + login.PasswordMadeBy + " set it, and limits it"
	case login.PasswordHash == "":
		return "the subject has no password, and this is no access token"
	default:
		return "wrong password"
	}
}
