package dockit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// firstAdmin is who the first start creates unless a [RootUser] is configured.
const firstAdmin = "admin"

// firstAdminPermissions let the first admin push something right away.
var firstAdminPermissions = []access.Permission{
	{Type: access.Repository, Name: "**", Actions: access.All},
	{Type: access.Registry, Name: "catalog", Actions: access.All},
}

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
func (u RootUser) expanded() (RootUser, error) {
	var err error
	if u.Name, err = expand("root_user name", u.Name); err != nil {
		return u, err
	}
	if u.Password != "" && !isPlaceholder(u.Password) {
		return u, errors.New("root_user password: it would stand in clear in the stored configuration: write {env.NAME} or {file./path} instead")
	}
	if u.Password, err = expand("root_user password", u.Password); err != nil {
		return u, err
	}
	return u, u.check()
}

func (u RootUser) check() error {
	if err := subject.ValidateName(u.Name); err != nil {
		return fmt.Errorf("root user: %w", err)
	}
	if u.ref().BuiltIn() {
		return fmt.Errorf("root user: %s is built in: choose another name", u.ref())
	}
	if u.Password == "" {
		return nil
	}
	// An existing user may have such a password, and stays as it is.
	if err := password.Check(u.Password); err != nil && !errors.Is(err, password.ErrSpace) {
		return fmt.Errorf("password of the root user: %w", err)
	}
	return nil
}

func (u RootUser) ref() subject.Ref { return subject.Ref{Kind: subject.User, Name: u.Name} }

// adminTimeout is how long looking for an admin, or making one, may take.
const adminTimeout = time.Minute

// ensureAdmin makes sure that there is somebody who can use the admin API.
func (a *App) ensureAdmin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	has, err := a.database.store.HasAdmin(ctx)
	if err != nil {
		return err
	}
	root := a.root
	if root.Name == "" {
		if has {
			return nil
		}
		root.Name = firstAdmin
	}
	_, err = a.database.store.Subject(ctx, root.ref())
	if errors.Is(err, store.ErrNotFound) {
		return a.createRoot(ctx, root)
	}
	if err != nil {
		return err
	}
	return a.inspectRoot(ctx, root)
}

// createRoot creates the user. When another node was faster, that is as good.
func (a *App) createRoot(ctx context.Context, root RootUser) error {
	random := root.Password == ""
	if random {
		root.Password = password.Random()
		// A password that cannot be printed must not be set.
		if _, err := fmt.Fprint(a.stdout, announcement); err != nil {
			return fmt.Errorf("print the password of the admin %q on standard output: %w", root.Name, err)
		}
	}
	if err := password.Check(root.Password); err != nil {
		return fmt.Errorf("create the admin %q: %w", root.Name, err)
	}
	hash, err := password.Hash(root.Password)
	if err != nil {
		return err
	}
	_, err = a.database.store.CreateFirstAdmin(ctx, root.ref(), hash, firstAdminPermissions)
	if errors.Is(err, store.ErrExists) && a.root.Name != "" {
		_, err = a.database.store.CreateSubject(ctx, store.NewSubject{Ref: root.ref(), Admin: true, PasswordHash: hash})
	}
	switch {
	case errors.Is(err, store.ErrExists):
		if random {
			fmt.Fprint(a.stdout, "Another node was faster.\n\n")
		}
		return a.inspectRoot(ctx, root)
	case err != nil:
		return fmt.Errorf("create the admin %q: %w", root.Name, err)
	}
	a.logger.Info("created an admin", zap.Stringer("subject", root.ref()))
	if random {
		// Standard output, because a log is kept and read by others.
		_, err = fmt.Fprintf(a.stdout, firstPassword, root.Name, root.Password, root.ref())
	}
	return err
}

// announcement is printed before a random password is set.
const announcement = "\nThere is no such admin yet: creating one.\n"

// firstPassword tells a random password to who started Dockit.
//
//nolint:gosec // the sentence around a password, not one
const firstPassword = `
Created the admin %q with the password

    %s

It is shown this once. To change it: rbac change-password %s

`

// inspectRoot warns when an existing user is not what the configuration leads
// to expect.
func (a *App) inspectRoot(ctx context.Context, root RootUser) error {
	login, err := a.database.store.Login(ctx, root.Name)
	switch {
	case errors.Is(err, store.ErrNotFound) && a.root.Name == "":
		return nil // another node created an admin of another name
	case errors.Is(err, store.ErrNotFound), err == nil && login.Ref != root.ref():
		return fmt.Errorf("cannot create the admin %q: a robot or group has this name: name another root_user", root.Name)
	case err != nil:
		return err
	}
	var complaints []string
	if !login.Admin {
		complaints = append(complaints, "is not an admin")
	}
	if login.Disabled {
		complaints = append(complaints, "is disabled")
	}
	if a.root.Password != "" {
		if matches, err := password.Verify(login.PasswordHash, a.root.Password); err != nil || !matches {
			complaints = append(complaints, "has another password than the configured one")
		}
	}
	if len(complaints) > 0 {
		a.logger.Warn("the root user exists and is left as it is", zap.Stringer("subject", root.ref()), zap.Strings("but", complaints))
	}
	return nil
}
