package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// outside are commands beside the server.
var outside = []work{
	{"init-container", 1, 5 * time.Second, func(s *site, _ int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, round int) error {
			_, err := n.Admin().Run(ctx, "init-container", filepath.Join(s.folder, fmt.Sprintf("once-%d.pem", round%2)), "--quiet")
			return err
		}
	}},
	{"rbac audit verify", 1, 20 * time.Second, func(*site, int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, _ int) error {
			_, err := n.Admin().Run(ctx, "rbac", "audit", "verify")
			return err
		}
	}},
}

// backup copies the database while everything goes on.
var backup = work{"backup", 1, 10 * time.Second, func(s *site, _ int) func(context.Context, *node, int) error {
	return func(ctx context.Context, n *node, _ int) error {
		_, err := n.Admin().Run(ctx, "backup", "--force", "--sql-dsn", filepath.Join(n.Config().Dir, "dockit.sqlite"), filepath.Join(s.folder, "backup.sqlite"))
		return err
	}
}}
