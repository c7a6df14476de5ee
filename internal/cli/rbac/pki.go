package rbac

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/cli/doctor"
	"github.com/dockit-registry/dockit/internal/printable"
)

func (r *rbac) pkiCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pki",
		Short: "List, rotate and revoke the keys that sign tokens",
		Long: `List, rotate and revoke the keys that sign tokens.

Registries trust a certificate authority. The keys that sign tokens live for days under
it and replace each other by themselves; no registry notices. The next authority is in
the bundle of every registry before it is used, so that rotate-ca needs no restart
either; but after it, each registry is to be given the new bundle before the next one.`,
	}
	cmd.AddCommand(r.pkiListCommand(), r.pkiRotateCommand(), r.pkiRotateCACommand(), r.pkiRevokeCommand(), doctor.NewCommand(&r.login, &r.output))
	cli.RequireSubcommand(cmd)
	return cmd
}

func (r *rbac) pkiListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the keys and what they are doing, oldest first",
		Long: `List the keys and what they are doing, oldest first.

Waiting keys are published and not used yet, active ones sign, of retired ones the last
tokens may still count, revoked ones are unfit for use, and unused ones have no part in the
configuration.`,
		Example: "  dockit rbac pki list\n  dockit rbac pki list -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			return cli.PrintList(p, c.Keys(cmd.Context()), cli.Listing[adminapi.Key]{
				Header: []any{"id", "for", "state", "since", "ends", "kept"},
				Row: func(k adminapi.Key) []any {
					return []any{k.ID, usedFor(k), k.State, day(since(k)), day(k.NotAfter), kept(k)}
				},
				Name:  func(k adminapi.Key) string { return k.ID },
				Empty: "no keys",
			})
		},
	}
}

// usedFor says whose tokens a key signs.
func usedFor(k adminapi.Key) string {
	switch k.Purpose {
	case "own":
		return "service " + k.Service
	case "kid-only":
		return "services with jwks"
	case "shared":
		return "services"
	default:
		return k.Purpose
	}
}

// since is when a key came into its present state.
func since(k adminapi.Key) time.Time {
	switch {
	case !k.RevokedAt.IsZero():
		return k.RevokedAt
	case !k.RetiredAt.IsZero():
		return k.RetiredAt
	case k.State == "waiting":
		return k.CreatedAt
	default:
		return k.ActiveFrom
	}
}

// kept says where the private key is.
func kept(k adminapi.Key) string {
	switch {
	case k.External:
		return "file"
	case k.State == "retired", k.State == "revoked":
		return "-"
	case k.Sealed:
		return "sealed"
	default:
		return "database"
	}
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

func (r *rbac) pkiRotateCommand() *cobra.Command {
	var service string
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Replace keys that sign tokens now, instead of when they are due",
		Long: `Replace keys that sign tokens now, instead of when they are due.

Without a service this replaces every key whose successor registries trust already, so
that none of them notices. With one it replaces the key of that service, which others may
share. A zot service trusts nothing but its own key: its registry refuses tokens until it
is given the new certificate.`,
		Example: "  dockit rbac pki rotate\n  dockit rbac pki rotate --service zot.example.com",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&service, "service", "", "`name` of the service whose key to replace")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return r.rotate(cmd, "before the same is done five times more", func(ctx context.Context, c *client.Client) (adminapi.Rotation, error) {
			return c.RotateKeys(ctx, service)
		})
	}
	return cmd
}

func (r *rbac) pkiRotateCACommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "rotate-ca",
		Short: "Switch to the next certificate authority and make the one after it",
		Long: `Switch to the next certificate authority and make the one after it.

Registries know the next authority from their bundle, so none has to restart for this.
Each is to be given the new bundle, with a restart, before it is done again: what it has
now does not hold the authority that was just made. That one must have been published for
a day; --force does without.`,
		Example: "  dockit rbac pki rotate-ca",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&force, "force", false, "switch although the next authority has been published for less than a day")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return r.rotate(cmd, "before the next rotate-ca", func(ctx context.Context, c *client.Client) (adminapi.Rotation, error) {
			return c.RotateAuthority(ctx, force)
		})
	}
	return cmd
}

// rotate replaces keys and says what that means for registries. A deadline
// says until when registries that still work are to be seen to.
func (r *rbac) rotate(cmd *cobra.Command, deadline string, do func(context.Context, *client.Client) (adminapi.Rotation, error)) error {
	c, p, err := r.connect(cmd)
	if err != nil {
		return err
	}
	rotation, err := do(cmd.Context(), c)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(inUse(rotation))
	switch {
	case len(rotation.Reload) == 0:
		b.WriteString("no registry has to be restarted")
	case rotation.ReloadNow:
		b.WriteString("give these registries the new bundle and restart them now, for they refuse tokens until then:")
	default:
		b.WriteString("no registry has to be restarted now; give these the new bundle and restart them " + deadline + ":")
	}
	b.WriteString(indented(rotation.Reload))
	return p.Done(rotation, namesOf(rotation), b.String())
}

func (r *rbac) pkiRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID",
		Short: "Declare a key unfit for use, and replace it where it is in use",
		Long: `Declare a key unfit for use: it signs nothing from now on, and where it was in use the next
one takes over. ID is what 'dockit rbac pki list' shows, or enough of its beginning; one
that starts with a hyphen goes behind '--'.

Registries do not hear of it by themselves: one that trusts an authority accepts a key
under it until the certificate of that key ends. Revoking an authority revokes every key
under it, and counts at each registry as soon as it has the new bundle.`,
		Example: "  dockit rbac pki revoke sQmJ6w\n  dockit rbac pki revoke -- -4fTq1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, p, err := r.connect(cmd)
			if err != nil {
				return err
			}
			key, err := findKey(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			rotation, err := c.RevokeKey(cmd.Context(), key.ID)
			if err != nil {
				return err
			}
			return p.Done(rotation, key.ID, revoked(key, rotation))
		},
	}
}

// minKeyPrefix is how much of a key's ID distinguishes it from others.
const minKeyPrefix = 4

func findKey(ctx context.Context, c *client.Client, prefix string) (adminapi.Key, error) {
	if len(prefix) < minKeyPrefix {
		return adminapi.Key{}, cli.Usagef("ID %q: write at least its first %d characters", prefix, minKeyPrefix)
	}
	var found []adminapi.Key
	for key, err := range c.Keys(ctx) {
		if err != nil {
			return adminapi.Key{}, err
		}
		if strings.HasPrefix(key.ID, prefix) {
			found = append(found, key)
		}
	}
	switch len(found) {
	case 0:
		return adminapi.Key{}, fmt.Errorf("no key has an ID that starts with %q: see 'dockit rbac pki list'", printable.Clip(prefix))
	case 1:
		return found[0], nil
	default:
		return adminapi.Key{}, fmt.Errorf("%d keys have an ID that starts with %q: write more of it", len(found), printable.Clip(prefix))
	}
}

// revoked says until when a revoked key still counts, and what ends that.
func revoked(key adminapi.Key, rotation adminapi.Rotation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "revoked %s\n", key.ID)
	b.WriteString(inUse(rotation))
	switch {
	case !rotation.AcceptedUntil.IsZero():
		fmt.Fprintf(&b, "registries accept its tokens until %s, because they trust the authority above it;\n", rotation.AcceptedUntil.Local().Format(time.RFC3339))
		fmt.Fprintf(&b, "to end that, revoke the authority as well: dockit rbac pki revoke %s", argument(key.Issuer))
	case rotation.ReloadNow:
		b.WriteString("give these registries the new bundle and restart them now, for they refuse new tokens and accept the revoked key until then:")
	case len(rotation.Reload) > 0:
		b.WriteString("these registries accept the revoked key until they are given the new bundle and restarted, so do it now:")
	default:
		b.WriteString("no registry has to be restarted")
	}
	b.WriteString(indented(rotation.Reload))
	return b.String()
}

// argument writes an ID as the shell and the command take it.
func argument(id string) string {
	if strings.HasPrefix(id, "-") {
		return "-- " + id
	}
	return id
}

func inUse(rotation adminapi.Rotation) string {
	var b strings.Builder
	for _, key := range rotation.Keys {
		fmt.Fprintf(&b, "now in use: %s (%s), until %s at the latest\n", key.ID, usedFor(key), key.NotAfter.Local().Format(time.DateOnly))
	}
	return b.String()
}

func namesOf(rotation adminapi.Rotation) string {
	names := make([]string, len(rotation.Keys))
	for i, key := range rotation.Keys {
		names[i] = key.ID
	}
	return strings.Join(names, "\n")
}

func indented(names []string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString("\n  " + name)
	}
	return b.String()
}
