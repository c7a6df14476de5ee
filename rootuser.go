package dockit

import (
	"errors"

	"github.com/dockit-registry/dockit/internal/firstadmin"
)

// RootUser is an admin that exists after the start. An existing user is never
// changed: neither its password nor anything else.
type RootUser struct {
	// Name is the name of the user.
	Name string `json:"name,omitempty"`

	// Password is set when the user is created; at least 12 characters.
	// Default: a random one, which is printed once.
	Password string `json:"password,omitempty"`
}

// expanded returns the user with its placeholders replaced, which the stored
// configuration must not have.
func (u RootUser) expanded() (firstadmin.User, error) {
	var root firstadmin.User
	var err error
	if root.Name, err = expand("root_user name", u.Name); err != nil {
		return root, err
	}
	if u.Password != "" && !isPlaceholder(u.Password) {
		return root, errors.New("root_user password: it would stand in clear in the stored configuration: write {env.NAME} or {file./path} instead")
	}
	if root.Password, err = expand("root_user password", u.Password); err != nil {
		return root, err
	}
	return root, root.Check()
}
