package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// verify asks Dockit about users taken at random, so that nothing is measured that Dockit itself would not have written.
func verify(ctx context.Context, binary string, d *database) (err error) {
	server, err := dockit.Start(ctx, dockit.Config{Binary: binary, Dir: d.folder})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	cli := server.CLI(d.root.owner, d.root.text)
	for range 3 {
		if err := d.verifyUser(ctx, cli, rand.IntN(d.users)); err != nil { //nolint:gosec // any user will do
			return err
		}
	}
	for _, token := range []accessToken{d.robots[0], d.people[0]} {
		if err := newProbe(server, d).token(ctx, token.owner, token.text); err != nil {
			return err
		}
	}
	p := newProbe(server, d)
	if err := p.token(ctx, d.userNumbered(0), rootPassword); err != nil {
		return err
	}
	_, err = cli.Run(ctx, "rbac", "audit", "verify")
	return err
}

func (d *database) verifyUser(ctx context.Context, cli dockit.CLI, i int) error {
	output, err := cli.Run(ctx, "rbac", "show", "user:"+d.userName(i), "-o", "json")
	if err != nil {
		return err
	}
	var shown struct {
		Groups      []string `json:"groups"`
		Permissions []struct {
			Via        string `json:"via"`
			Permission string `json:"permission"`
		} `json:"effective_permissions"`
	}
	if err := json.Unmarshal([]byte(output), &shown); err != nil {
		return err
	}
	groups := []string{}
	count := len(d.permissionsOfUser(i))
	for _, g := range d.groupsOf(i) {
		groups = append(groups, "group:"+d.groupName(g))
		count += len(d.permissionsOfGroup(g))
	}
	if i < d.staff {
		groups = append(groups, "group:"+staffGroup)
		count++
	}
	if !slices.Equal(shown.Groups, groups) || len(shown.Permissions) != count {
		return fmt.Errorf("user:%s has %d permissions and is in %v, not %d and %v", d.userName(i), len(shown.Permissions), shown.Groups, count, groups)
	}
	_, err = cli.Run(ctx, "rbac", "can-i", "user:"+d.userName(i), "pull,push", home(d.userName(i)))
	return err
}
