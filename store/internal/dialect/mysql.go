package dialect

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"

	"github.com/dockit-registry/dockit/store/migrations"
)

// MySQL is the dialect of MySQL and MariaDB.
var MySQL = &Dialect{
	Name:       "mysql",
	Goose:      goose.DialectMySQL,
	Migrations: migrations.MySQL,
	Open:       openMySQL,
	Check:      checkMySQL,
	Find:       findMySQL,
	// Who else can read the database is between the operator and the server.
	Exposed: func(string) string { return "" },
	Duplicate: func(err error) bool {
		return mysqlCode(err) == mysqlDuplicate
	},
	Exclude:     excludeMySQL,
	Snapshot:    &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead},
	Clock:       "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))",
	HashSamples: groupedHashSamples,
	Retryable:   retryableMySQL,
	Busy:        func(err error) bool { return mysqlCode(err) == mysqlLockWait },
	Lost:        lostMySQL,
	Hint:        mysqlHint,
	migrating:   migratingMySQL,
	Writable:    writableMySQL,
	CheckSchema: checkMySQLSchema,
	// InnoDB overwrites deleted rows when it purges them; no client can say when.
	Forget: func(context.Context, *sql.DB) error { return nil },
}

const (
	// writers is enough: transactions that write wait for each other anyway.
	writers = 4
	// lifetime bounds how long connections stay with a server that is not the
	// one to talk to any more.
	lifetime = 3 * time.Minute
	idleTime = 1 * time.Minute
)

// openMySQL opens a pool to write and a pool to read with, so that writers who
// wait for each other leave connections to readers.
func openMySQL(ctx context.Context, dsn string) (writer, reader *sql.DB, err error) {
	config, err := parseMySQLDSN(dsn)
	if err != nil {
		return nil, nil, err
	}
	galera, known, err := lookAtMySQL(ctx, config)
	if err != nil {
		return nil, nil, WithHint(fmt.Errorf("open MySQL database %q at %s as %q: %w", config.DBName, config.Addr, config.User, err), mysqlHint(err))
	}
	if galera {
		// A node of a cluster may be behind: let it catch up with what was
		// acknowledged elsewhere before it reads.
		setVariable(config, "wsrep_sync_wait", "1")
	}
	pool := func(connections int) (*sql.DB, error) {
		connector, err := newMySQLConnector(config, galera, sessionStatement(known))
		if err != nil {
			return nil, err
		}
		db := sql.OpenDB(connector)
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(connections)
		db.SetConnMaxLifetime(lifetime)
		db.SetConnMaxIdleTime(idleTime)
		return db, nil
	}
	if writer, err = pool(writers); err != nil {
		return nil, nil, err
	}
	if reader, err = pool(max(16, 4*runtime.GOMAXPROCS(0))); err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	for _, db := range []*sql.DB{writer, reader} {
		if err := checkSession(ctx, db); err != nil {
			return nil, nil, errors.Join(WithHint(fmt.Errorf("open MySQL database %q at %s: %w", config.DBName, config.Addr, err), mysqlHint(err)), writer.Close(), reader.Close())
		}
	}
	return writer, reader, nil
}

func newMySQLConnector(config *mysql.Config, galera bool, session string) (driver.Connector, error) {
	connector, err := mysql.NewConnector(config)
	if err != nil {
		// The text may hold parts of the DSN.
		return nil, fmt.Errorf("the MySQL DSN cannot be used: write %s", mysqlDSNForm)
	}
	if session != "" {
		connector = sessionConnector{connector, session}
	}
	if galera {
		connector = galeraConnector{connector}
	}
	return connector, nil
}

// lookAtMySQL asks a server for its version, refuses an old one, and reports
// whether it is a node of a Galera cluster, and which of the variables it knows
// that are set for each connection.
func lookAtMySQL(ctx context.Context, config *mysql.Config) (galera bool, known map[string]string, err error) {
	connector, err := newMySQLConnector(config, false, "")
	if err != nil {
		return false, nil, err
	}
	db := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, db.Close()) }()
	var version string
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return false, nil, err
	}
	if err := checkMySQLVersion(version); err != nil {
		return false, nil, err
	}
	if known, err = readSession(ctx, db); err != nil {
		return false, nil, err
	}
	galera, err = inGalera(ctx, db)
	return galera, known, err
}

// excludeMySQL takes the lock before anything is read: InnoDB makes the
// snapshot of a transaction at its first read, so that it holds what the
// transactions before it wrote. It is a change and no SELECT ... FOR UPDATE,
// because a Galera cluster compares changes only.
func excludeMySQL(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, "UPDATE write_lock SET number = number + 1 WHERE id = 1"); err != nil {
		return fmt.Errorf("wait for other changes: %w", err)
	}
	return nil
}

// ErrReadOnly is returned for a server that takes no writes.
var ErrReadOnly = errors.New("the server is read-only: it may be a replica, or about to be replaced; point the DSN at the one that takes writes")

func writableMySQL(ctx context.Context, writer *sql.DB) error {
	var readOnly bool
	if err := writer.QueryRowContext(ctx, "SELECT @@GLOBAL.read_only").Scan(&readOnly); err != nil {
		return WithHint(fmt.Errorf("ask the server whether it takes writes: %w", err), mysqlHint(err))
	}
	if readOnly {
		return ErrReadOnly
	}
	return nil
}

// mysqlDSNForm is what a DSN looks like, for error messages. No error shows the
// DSN itself, or what the driver says of it: there is a password in it.
const mysqlDSNForm = "user:password@tcp(host:3306)/database?tls=true, or user:password@unix(/run/mysqld/mysqld.sock)/database"

// parseMySQLDSN takes a DSN of the Go driver, and sets what the store relies
// on.
func parseMySQLDSN(dsn string) (*mysql.Config, error) {
	if err := checkDSNEnds(dsn); err != nil {
		return nil, err
	}
	if strings.HasPrefix(dsn, "mysql://") || strings.HasPrefix(dsn, "mariadb://") {
		return nil, fmt.Errorf("the MySQL DSN is a URL: write %s", mysqlDSNForm)
	}
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		if strings.Contains(dsn, "tls=") {
			return nil, fmt.Errorf("the MySQL DSN cannot be read: write %s; tls is true, preferred, skip-verify or false", mysqlDSNForm)
		}
		return nil, fmt.Errorf("the MySQL DSN cannot be read: write %s", mysqlDSNForm)
	}
	if config.DBName == "" {
		return nil, fmt.Errorf("the MySQL DSN names no database: write %s", mysqlDSNForm)
	}
	if config.Collation != "" && config.Collation != "utf8mb4_bin" {
		return nil, errors.New("the MySQL DSN sets collation: leave it out, Dockit needs utf8mb4_bin")
	}
	if config.User == "" {
		return nil, fmt.Errorf("the MySQL DSN names no user: write %s", mysqlDSNForm)
	}
	// A server that hangs accepts connections and never answers.
	config.Timeout = cmp.Or(config.Timeout, 5*time.Second)
	config.ReadTimeout = cmp.Or(config.ReadTimeout, 30*time.Second)
	config.WriteTimeout = cmp.Or(config.WriteTimeout, 30*time.Second)
	config.Logger = &mysql.NopLogger{} // what it would say is in the errors
	config.ParseTime = true            // the times of the migrations
	config.ClientFoundRows = true      // count rows as SQLite does
	config.InterpolateParams = true    // one round trip for a query, not three
	config.RejectReadOnly = true       // after a failover, connect again
	config.MultiStatements = false
	config.AllowAllFiles = false
	if err := config.Apply(mysql.Charset("utf8mb4", "utf8mb4_bin")); err != nil {
		return nil, errors.New("the MySQL DSN cannot take the character set utf8mb4")
	}
	if err := refuseSession(config); err != nil {
		return nil, err
	}
	setVariable(config, "sql_select_limit", "18446744073709551615") // or which variables there are is cut, too
	// Who is given up here must not hold or wait for locks there for long. Rows
	// have the one, tables and FLUSH TABLES WITH READ LOCK the other.
	setVariable(config, "innodb_lock_wait_timeout", "2")
	setVariable(config, "lock_wait_timeout", "2")
	return config, nil
}

// setVariable sets a system variable of the server for every connection, unless
// the DSN does.
func setVariable(config *mysql.Config, variable, value string) {
	if config.Params == nil {
		config.Params = map[string]string{}
	}
	if _, given := config.Params[variable]; !given {
		config.Params[variable] = value
	}
}

// Servers before these do not check the constraints of the schema, or are not
// looked after any more.
var (
	oldestMySQL   = [3]int{8, 0, 16}
	oldestMariaDB = [3]int{10, 5, 0}
)

// Some old MariaDB servers put 5.5.5- in front for old replicas.
var mysqlVersion = regexp.MustCompile(`^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)`)

// checkMySQLVersion reads what SELECT VERSION() says.
func checkMySQLVersion(version string) error {
	name, oldest := "MySQL", oldestMySQL
	if strings.Contains(version, "MariaDB") {
		name, oldest = "MariaDB", oldestMariaDB
	}
	match := mysqlVersion.FindStringSubmatch(version)
	if match == nil {
		return fmt.Errorf("the server calls its version %q: use MySQL 8.0.16 or MariaDB 10.5, or newer", version)
	}
	for i, least := range oldest {
		part, err := strconv.Atoi(match[i+1])
		if err != nil {
			return fmt.Errorf("the server calls its version %q: %w", version, err)
		}
		if part > least {
			return nil
		}
		if part < least {
			return fmt.Errorf("%s %s is too old: use %s %d.%d.%d or newer", name, version, name, oldest[0], oldest[1], oldest[2])
		}
	}
	return nil
}

func checkMySQL(_ context.Context, dsn string) error {
	_, err := parseMySQLDSN(dsn)
	return err
}
