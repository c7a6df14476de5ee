package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	moderncsqlite "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

//go:embed migrations/sqlite/*.sql
var sqliteMigrations embed.FS

var sqliteMigrationFiles = mustSub(sqliteMigrations, "migrations/sqlite")

var sqlite = &dialect{
	name:       "sqlite",
	goose:      goose.DialectSQLite3,
	migrations: sqliteMigrationFiles,
	open:       openSQLite,
	check:      checkSQLite,
	find:       findSQLite,
	exposed:    exposedSQLite,
	duplicate: func(err error) bool {
		code := sqliteCode(err)
		return code == sqlitelib.SQLITE_CONSTRAINT_UNIQUE || code == sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY
	},
	retryable: func(err error) bool {
		// The busy timeout has already waited; only a snapshot that went stale
		// is worth another attempt.
		return sqliteCode(err) == sqlitelib.SQLITE_BUSY_SNAPSHOT
	},
	busy: func(err error) bool {
		code := sqliteCode(err) & 0xff
		return code == sqlitelib.SQLITE_BUSY || code == sqlitelib.SQLITE_LOCKED
	},
	// The transactions of the writer begin by taking the lock.
	exclude:  func(context.Context, *sql.Tx) error { return nil },
	snapshot: &sql.TxOptions{ReadOnly: true},

	hashSamples: steppedHashSamples,
	lost:        func(error) bool { return false },
	hint:        func(error) string { return "" },
	// Only a write shows it.
	writable: func(context.Context, *sql.DB) error { return nil },
	// Each migration is a transaction.
	migrating: func(_ context.Context, _ *sql.DB, _ int64, migrate func() error) error { return migrate() },
	forget:    checkpointSQLite,

	checkSchema: checkSQLiteSchema,
}

func sqliteCode(err error) int {
	if e, ok := errors.AsType[*moderncsqlite.Error](err); ok {
		return e.Code()
	}
	return sqlitelib.SQLITE_OK
}

// openSQLite opens one connection to write and several to read. SQLite has one
// writer at a time: a single connection queues writers in the program, where
// waiting is fair, instead of in the file lock.
func openSQLite(ctx context.Context, dsn string) (writer, reader *sql.DB, err error) {
	path, query, err := parseSQLiteDSN(dsn)
	if err != nil {
		return nil, nil, err
	}
	if err := createPrivately(path); errors.Is(err, syscall.EISDIR) {
		return nil, nil, fmt.Errorf("open SQLite database %q: it is a folder: name a file in it, such as %s", path, filepath.Join(path, "dockit.sqlite"))
	} else if err != nil {
		return nil, nil, fmt.Errorf("open SQLite database %q: %w: check that its folder exists and that this process may write there", path, err)
	}
	defer func() {
		if err != nil && writer != nil {
			err = errors.Join(err, writer.Close())
		}
	}()
	writer, err = sql.Open("sqlite", sqliteURI(path, query, "immediate", "journal_mode(WAL)", "synchronous(NORMAL)", "secure_delete(1)"))
	if err != nil {
		return nil, nil, fmt.Errorf("open SQLite database %q: %w", path, err)
	}
	writer.SetMaxOpenConns(1)
	if err = connectSQLite(ctx, writer); err != nil {
		return writer, nil, fmt.Errorf("open SQLite database %q: %w", path, withHint(err, Hint(err)))
	}
	reader, err = sql.Open("sqlite", sqliteURI(path, query, "deferred", "query_only(1)"))
	if err != nil {
		return writer, nil, fmt.Errorf("open SQLite database %q to read: %w", path, err)
	}
	// More readers than that only wait for each other.
	reader.SetMaxOpenConns(2 * runtime.GOMAXPROCS(0))
	reader.SetMaxIdleConns(2 * runtime.GOMAXPROCS(0))
	return writer, reader, nil
}

// checkpointSQLite moves the log into the database file and empties it: pages
// in the log still hold what they held before. Readers in the way are waited
// for only shortly, because no other write passes meanwhile; a later
// checkpoint does the same.
func checkpointSQLite(ctx context.Context, writer *sql.DB) (err error) {
	conn, err := writer.Conn(ctx)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var timeout int
	if err := conn.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&timeout); err != nil {
		return fmt.Errorf("read busy timeout: %w", err)
	}
	setTimeout := func(ctx context.Context, ms int) error {
		if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", ms)); err != nil {
			return fmt.Errorf("set busy timeout: %w", err)
		}
		return nil
	}
	if err := setTimeout(ctx, min(timeout, 200)); err != nil {
		return err
	}
	// The connection goes on to write for others, whatever became of ctx.
	defer func() { err = errors.Join(err, setTimeout(context.WithoutCancel(ctx), timeout)) }()
	var busy, logged, moved int
	if err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &logged, &moved); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// connectSQLite opens the first connection. Several processes that start on a
// new file all switch it to a write-ahead log, for which SQLite does not wait by
// itself.
func connectSQLite(ctx context.Context, writer *sql.DB) error {
	const attempts, pause = 250, 20 * time.Millisecond // as long as the busy timeout
	for attempt := 1; ; attempt++ {
		err := writer.PingContext(ctx)
		if err == nil || attempt == attempts || sqliteCode(err)&0xff != sqlitelib.SQLITE_BUSY {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// ofServer finds a DSN that is meant for a database server: with a network, a
// password or a scheme in it.
var ofServer = regexp.MustCompile(`(?i)(^|@)(tcp|tcp6|unix|)\(|^[^/\\.:][^/:]+:.*@|^[a-z+]+://|(password|pwd)=|^(mysql|mariadb|sqlite|sqlite3):`)

// parseSQLiteDSN takes a plain path, or a file: URI with its own parameters. No
// error shows what may be a password.
func parseSQLiteDSN(dsn string) (path string, query url.Values, err error) {
	if err := checkDSNEnds(dsn); err != nil {
		return "", nil, err
	}
	if !strings.HasPrefix(dsn, "file:") {
		if ofServer.MatchString(dsn) {
			return "", nil, errors.New("the DSN is no path of a SQLite file: for MySQL and MariaDB, the dialect mysql is missing " +
				"(--sql-dialect mysql, DOCKIT_SQL_DIALECT, or `database mysql` in a Caddyfile); for SQLite, write the path alone")
		}
		path = dsn
	} else {
		rest, rawQuery, _ := strings.Cut(strings.TrimPrefix(dsn, "file:"), "?")
		if query, err = url.ParseQuery(rawQuery); err != nil {
			return "", nil, fmt.Errorf("the parameters of the SQLite DSN cannot be read: write file:/path/of/file?name=value: %w", err)
		}
		if path, err = url.PathUnescape(rest); err != nil {
			return "", nil, fmt.Errorf("the path in the SQLite DSN cannot be read: write file:/path/of/file: %w", err)
		}
		if after, ok := strings.CutPrefix(path, "//"); ok { // file://[localhost]/path
			path = strings.TrimPrefix(after, "localhost")
		}
	}
	switch {
	case path == "":
		return "", nil, errors.New("the SQLite DSN names no file: write its path")
	case path == ":memory:" || query.Get("mode") == "memory":
		return "", nil, errors.New("the SQLite DSN names a database in memory, which would forget its keys and users: name a file")
	}
	return path, query, nil
}

// sqliteURI adds what every connection needs to the operator's own parameters.
func sqliteURI(path string, query url.Values, txlock string, pragmas ...string) string {
	values := url.Values{}
	for key, vs := range query {
		values[key] = append([]string(nil), vs...)
	}
	values.Set("_txlock", txlock)
	values["_pragma"] = append([]string{"busy_timeout(5000)", "foreign_keys(1)"}, append(pragmas, values["_pragma"]...)...)
	uri := url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(), RawQuery: values.Encode()}
	return uri.String()
}

// createPrivately makes the file readable by its owner alone: it holds password
// hashes and keys. SQLite gives its -wal and -shm files the same mode.
func createPrivately(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return errors.Unwrap(err) // the caller names the path
	}
	return f.Close()
}

// exposedSQLite finds a file that others may read: one that was there before,
// or that an administrator opened up. Its mode may be meant, so it is left as it is.
func exposedSQLite(dsn string) string {
	path, _, err := parseSQLiteDSN(dsn)
	if err != nil {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return ""
	}
	return fmt.Sprintf("%s has mode %#o", path, info.Mode().Perm())
}

func mustSub(fsys fs.FS, dir string) fs.FS {
	sub, err := fs.Sub(fsys, dir)
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sub
}
