package store

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

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
