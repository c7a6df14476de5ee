package passwords

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dockit-registry/dockit/store"
)

// TestFaults guards what the log says of a password that was refused, for administrators alone.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		login store.Login
		want  string
	}{
		"nobody":                       {store.Login{}, "nobody has this name"},
		"disabled":                     {store.Login{ID: 1, Disabled: true, PasswordHash: "h"}, "the subject is disabled"},
		"no password":                  {store.Login{ID: 1}, "the subject has no password, and this is no access token"},
		"password of a token, ended":   {store.Login{ID: 1, PasswordMadeBy: "t1"}, "the password is not good here or any more: the token t1 set it, and limits it"},
		"password of a token, wrong":   {store.Login{ID: 1, PasswordHash: "h", PasswordMadeBy: "t1"}, "wrong password"},
		"a password of one's own":      {store.Login{ID: 1, PasswordHash: "h"}, "wrong password"},
		"disabled, without any at all": {store.Login{ID: 1, Disabled: true}, "the subject is disabled"},
	} {
		assert.Equal(t, c.want, faultOf(c.login), name)
	}
}
