// Package firstadmin makes sure, when a node starts, that there is an administrator who
// can use the admin API.
package firstadmin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// defaultName is who the first start creates unless another [User] is asked for.
const defaultName = "admin"

// permissions let the first admin push something right away.
var permissions = []access.Permission{
	{Type: access.Repository, Name: "**", Actions: access.All},
	{Type: access.Registry, Name: "catalog", Actions: access.All},
}

// User is the admin that is asked for; the zero value for any.
type User struct {
	Name string
	// Password is what the user is created with; empty for a random one.
	Password string
}

// Check refuses a name or password that no such user can have.
func (u User) Check() error {
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

func (u User) ref() subject.Ref { return subject.Ref{Kind: subject.User, Name: u.Name} }

// timeout is how long looking for an admin, or making one, may take.
const timeout = time.Minute

// creator makes sure of an admin in one database.
type creator struct {
	store  *store.Store
	asked  User
	stdout io.Writer
	logger *zap.Logger
}

// Ensure creates the admin that is asked for where it is missing, and any where
// there is none. An existing user is never changed: neither its password nor
// anything else. A random password is printed, once. It returns the name of the
// admin when this is the first start of the database: empty when it had an admin.
func Ensure(ctx context.Context, s *store.Store, asked User, stdout io.Writer, logger *zap.Logger) (first string, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c := creator{s, asked, stdout, logger}
	has, err := s.HasAdmin(ctx)
	if err != nil {
		return "", err
	}
	root := asked
	if root.Name == "" {
		if has {
			return "", nil
		}
		root.Name = defaultName
	}
	_, err = s.Subject(ctx, root.ref())
	if errors.Is(err, store.ErrNotFound) {
		return c.create(ctx, root)
	}
	if err != nil {
		return "", err
	}
	return "", c.inspect(ctx, root)
}

// create creates the user. When another node was faster, that is as good.
func (c creator) create(ctx context.Context, root User) (first string, err error) {
	random := root.Password == ""
	if random {
		root.Password = password.Random()
		// A password that cannot be printed must not be set.
		if _, err := fmt.Fprint(c.stdout, announcement); err != nil {
			return "", fmt.Errorf("print the password of the admin %q on standard output: %w", root.Name, err)
		}
	}
	if err := password.Check(root.Password); err != nil {
		return "", fmt.Errorf("create the admin %q: %w", root.Name, err)
	}
	hash, err := password.Hash(root.Password)
	if err != nil {
		return "", err
	}
	_, err = c.store.CreateFirstAdmin(ctx, root.ref(), hash, permissions)
	if err == nil {
		first = root.Name
	}
	if errors.Is(err, store.ErrExists) && c.asked.Name != "" {
		_, err = c.store.CreateSubject(ctx, store.NewSubject{Ref: root.ref(), Admin: true, PasswordHash: hash})
	}
	switch {
	case errors.Is(err, store.ErrExists):
		if random {
			fmt.Fprint(c.stdout, "Another node was faster.\n\n")
		}
		return "", c.inspect(ctx, root)
	case err != nil:
		return "", fmt.Errorf("create the admin %q: %w", root.Name, err)
	}
	c.logger.Info("created an admin", zap.Stringer("subject", root.ref()))
	if random {
		// Standard output, because a log is kept and read by others.
		_, err = fmt.Fprintf(c.stdout, firstPassword, root.Name, root.Password, root.ref())
	}
	return first, err
}

// announcement is printed before a random password is set.
const announcement = "\nThere is no such admin yet: creating one.\n"

// firstPassword shows a random password to the administrator who started Dockit.
//
//nolint:gosec // the sentence around a password, not one
const firstPassword = `
Created the admin %q with the password

    %s

It is shown this once. To change it: rbac change-password %s

`

// inspect warns when an existing user is not what the configuration leads to
// expect.
func (c creator) inspect(ctx context.Context, root User) error {
	login, err := c.store.Login(ctx, root.Name)
	switch {
	case errors.Is(err, store.ErrNotFound) && c.asked.Name == "":
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
	if c.asked.Password != "" {
		if matches, err := password.Verify(login.PasswordHash, c.asked.Password); err != nil || !matches {
			complaints = append(complaints, "has another password than the configured one")
		}
	}
	if len(complaints) > 0 {
		c.logger.Warn("the root user exists and is left as it is", zap.Stringer("subject", root.ref()), zap.Strings("but", complaints))
	}
	return nil
}
