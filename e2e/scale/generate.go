package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

const (
	rootUser     = "admin"
	rootPassword = "correct horse battery staple"

	// userTokens is how many users have an access token, at most.
	userTokens = 20_000
)

// database is a filled one.
type database struct {
	population
	folder string

	// root is an access token of the admin, robots one of each robot, people one of each user that has any, in an order
	// that has nothing to do with their names.
	root           accessToken
	robots, people []accessToken
}

func (d *database) file() string { return filepath.Join(d.folder, "dockit.sqlite") }

// generate makes a database with so many users. Its tables and its admin are Dockit's own; everybody else is added beside
// it, because a million changes by the admin API would take an hour.
func generate(ctx context.Context, binary, folder string, users int) (*database, error) {
	began := time.Now()
	say("filling a database with %d users", users)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	server, err := dockit.Start(ctx, dockit.Config{Binary: binary, Dir: folder, RootUser: rootUser, RootPassword: rootPassword})
	if err != nil {
		return nil, err
	}
	if err := server.Stop(); err != nil {
		return nil, err
	}
	d := &database{population: populationOf(users), folder: folder}
	if err := d.fill(ctx); err != nil {
		return nil, fmt.Errorf("fill %s: %w", d.file(), err)
	}
	if err := verify(ctx, binary, d); err != nil {
		return nil, fmt.Errorf("read %s back with Dockit: %w", d.file(), err)
	}
	info, err := os.Stat(d.file())
	if err != nil {
		return nil, err
	}
	say("  %d MB in %s", info.Size()>>20, time.Since(began).Round(time.Second))
	return d, nil
}

func (d *database) fill(ctx context.Context) (err error) {
	// A journal is for those who want to go on after a crash. Dockit switches to its own when it opens the file.
	db, err := sql.Open("sqlite", "file:"+d.file()+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-500000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1) // the settings are those of a connection
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback() // the first error is the one to report
		}
	}()
	var adminID int64
	var hash string
	if err := tx.QueryRowContext(ctx, "SELECT id, password_hash FROM subjects WHERE name = ?", rootUser).Scan(&adminID, &hash); err != nil {
		return fmt.Errorf("read the password hash of the admin: %w", err)
	}
	f := filling{database: d, tx: tx, now: time.Now().UnixMicro(), admin: adminID, hash: hash}
	for _, part := range []func(context.Context) error{f.subjects, f.memberships, f.permissions, f.tokens} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "UPDATE revision SET number = number + 1 WHERE id = 1"); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return check(ctx, db)
}

// check looks for rows that refer to nothing.
func check(ctx context.Context, db *sql.DB) error {
	var table string
	switch err := db.QueryRowContext(ctx, "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1").Scan(&table); {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("check the rows: %w", err)
	default:
		return fmt.Errorf("a row of %s refers to nothing", table)
	}
}

// filling adds rows in the order of their keys.
type filling struct {
	*database
	tx    *sql.Tx
	now   int64
	admin int64
	hash  string
}

// The ids follow that of the admin: groups, robots, users.

func (f *filling) groupID(i int) int64   { return f.admin + 1 + int64(i) }
func (f *filling) staffID() int64        { return f.groupID(f.groups) }
func (f *filling) machineID(i int) int64 { return f.staffID() + 1 + int64(i) }
func (f *filling) userID(i int) int64    { return f.machineID(f.machines) + int64(i) }

func (f *filling) subjects(ctx context.Context) error {
	into, err := insertInto(ctx, f.tx, "subjects", "id", "kind", "name", "password_hash", "version", "created_at", "updated_at")
	if err != nil {
		return err
	}
	add := func(id int64, kind, name, hash string) error {
		return into.add(ctx, id, kind, name, hash, f.now, f.now, f.now)
	}
	for i := range f.groups {
		err = errors.Join(err, add(f.groupID(i), "group", f.groupName(i), ""))
	}
	err = errors.Join(err, add(f.staffID(), "group", staffGroup, ""))
	for i := range f.machines {
		err = errors.Join(err, add(f.machineID(i), "robot", f.machineName(i), ""))
	}
	for i := 0; i < f.users && err == nil; i++ {
		err = add(f.userID(i), "user", f.userName(i), f.hash)
	}
	return errors.Join(err, into.finish(ctx))
}

func (f *filling) memberships(ctx context.Context) error {
	into, err := insertInto(ctx, f.tx, "memberships", "group_id", "member_id", "created_at")
	if err != nil {
		return err
	}
	for i := 0; i < f.users && err == nil; i++ {
		for _, group := range f.groupsOf(i) {
			err = errors.Join(err, into.add(ctx, f.groupID(group), f.userID(i), f.now))
		}
		if i < f.staff {
			err = errors.Join(err, into.add(ctx, f.staffID(), f.userID(i), f.now))
		}
	}
	return errors.Join(err, into.finish(ctx))
}

func (f *filling) permissions(ctx context.Context) error {
	into, err := insertInto(ctx, f.tx, "permissions", "subject_id", "type", "name", "actions", "created_at", "updated_at")
	if err != nil {
		return err
	}
	add := func(id int64, permissions []permission) {
		for _, p := range permissions {
			err = errors.Join(err, into.add(ctx, id, p.kind, p.name, p.actions, f.now, f.now))
		}
	}
	for i := 0; i < f.groups && err == nil; i++ {
		add(f.groupID(i), f.permissionsOfGroup(i))
	}
	add(f.staffID(), []permission{{"namespace", "company", pull}})
	for i := range f.machines {
		add(f.machineID(i), []permission{{"repository", "home/" + f.machineName(i) + "/**", pull | push | del}})
	}
	for i := 0; i < f.users && err == nil; i++ {
		add(f.userID(i), f.permissionsOfUser(i))
	}
	return errors.Join(err, into.finish(ctx))
}

func (f *filling) tokens(ctx context.Context) error {
	into, err := insertInto(ctx, f.tx, "access_tokens", "id", "subject_id", "name", "hash", "created_at")
	if err != nil {
		return err
	}
	add := func(id int64, owner string) accessToken {
		t := newAccessToken(owner)
		err = errors.Join(err, into.add(ctx, t.id, id, "scale", t.hash[:], f.now))
		return t
	}
	f.root = add(f.admin, rootUser)
	for i := range f.machines {
		f.robots = append(f.robots, add(f.machineID(i), f.machineName(i)))
	}
	chosen := rand.New(rand.NewPCG(1, uint64(f.users))).Perm(f.users) //nolint:gosec // the same users every time
	for _, i := range chosen[:min(f.users, userTokens)] {
		f.people = append(f.people, add(f.userID(i), f.userName(i)))
	}
	return errors.Join(err, into.finish(ctx))
}
