package trust

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/dockit-registry/dockit/internal/printable"
)

// owner is whom a file is given to. An id of -1 is left as it is.
type owner struct{ uid, gid int }

// parseOwner reads USER, USER:GROUP or :GROUP, each a name or a number.
func parseOwner(s string) (*owner, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no owner in particular
	}
	o := &owner{-1, -1}
	userName, groupName, _ := strings.Cut(s, ":")
	var err error
	if userName != "" {
		if o.uid, err = parseID(userName, func(name string) (string, error) {
			u, err := user.Lookup(name)
			if err != nil {
				return "", err
			}
			return u.Uid, nil
		}); err != nil {
			return nil, fmt.Errorf("owner %q: %w", printable.Clip(s), err)
		}
	}
	if groupName != "" {
		if o.gid, err = parseID(groupName, func(name string) (string, error) {
			g, err := user.LookupGroup(name)
			if err != nil {
				return "", err
			}
			return g.Gid, nil
		}); err != nil {
			return nil, fmt.Errorf("owner %q: %w", printable.Clip(s), err)
		}
	}
	if o.uid < 0 && o.gid < 0 {
		return nil, fmt.Errorf("owner %q: write USER, USER:GROUP or :GROUP", printable.Clip(s))
	}
	return o, nil
}

func parseID(name string, lookUp func(string) (string, error)) (int, error) {
	if id, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(id), nil
	}
	found, err := lookUp(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(found)
}

// take gives a file to the owner.
func (o *owner) take(path string) error {
	if o == nil {
		return nil
	}
	if err := os.Chown(path, o.uid, o.gid); err != nil {
		return fmt.Errorf("change the owner: %w: only root may give files away", err)
	}
	return nil
}
