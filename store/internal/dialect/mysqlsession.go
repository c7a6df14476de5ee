package dialect

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// sessionVariable is a system variable that the store's correctness rests on.
// What a server has as its default says nothing of what an operator, a proxy or
// a hosting company made of it. They are set in the order of the list.
type sessionVariable struct {
	// names are those that it has in different versions. A server may know
	// none of them.
	names []string
	// value is what SHOW VARIABLES has to say.
	value string
	// shown is set for a variable that the driver sets by itself.
	shown bool
}

const sqlMode = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"

var sessionVariables = []sessionVariable{
	// To set autocommit ends a transaction, which with CHAIN begins another.
	{names: []string{"completion_type"}, value: "NO_CHAIN"},
	// With OFF, a read begins a transaction that never ends, and sees for ever
	// what was there when it began.
	{names: []string{"autocommit"}, value: "ON"},
	{names: []string{"transaction_isolation", "tx_isolation"}, value: "REPEATABLE-READ"},
	{names: []string{"transaction_read_only", "tx_read_only"}, value: "OFF"},
	// Removing a subject removes what belongs to it.
	{names: []string{"foreign_key_checks"}, value: "ON"},
	{names: []string{"unique_checks"}, value: "ON"},
	{names: []string{"check_constraint_checks"}, value: "ON"},
	{names: []string{"sql_select_limit"}, value: "18446744073709551615"},
	{names: []string{"sql_safe_updates"}, value: "OFF"},
	{names: []string{"sql_auto_is_null"}, value: "OFF"},
	{names: []string{"sql_big_selects"}, value: "ON"},
	{names: []string{"time_zone"}, value: "+00:00"},
	// What does not fit is an error, and is not cut.
	{names: []string{"sql_mode"}, value: sqlMode},
	// Names are compared byte by byte.
	{names: []string{"character_set_client"}, value: "utf8mb4", shown: true},
	{names: []string{"character_set_connection"}, value: "utf8mb4", shown: true},
	{names: []string{"character_set_results"}, value: "utf8mb4", shown: true},
	{names: []string{"collation_connection"}, value: "utf8mb4_bin", shown: true},
}

// refuseSession takes what a DSN says of a variable that is set anyway, or
// refuses it when it says otherwise.
func refuseSession(config *mysql.Config) error {
	for _, v := range sessionVariables {
		for _, given := range slices.Sorted(maps.Keys(config.Params)) {
			if !slices.Contains(v.names, strings.ToLower(given)) {
				continue
			}
			if !v.equal(config.Params[given]) {
				return fmt.Errorf("the MySQL DSN sets %s: leave it out, Dockit needs %s", given, v.value)
			}
			delete(config.Params, given)
		}
	}
	return nil
}

// equal compares a value as a DSN has it with the right one.
func (v sessionVariable) equal(given string) bool {
	given = strings.Trim(given, `'"`)
	switch strings.ToUpper(given) {
	case "1", "TRUE":
		given = "ON"
	case "0", "FALSE":
		given = "OFF"
	}
	if v.names[0] == "sql_mode" {
		return sameModes(given, v.value)
	}
	return strings.EqualFold(given, v.value) || v.value == "NO_CHAIN" && given == "OFF"
}

// sameModes compares two lists without their order.
func sameModes(a, b string) bool {
	sorted := func(list string) []string {
		modes := strings.Split(strings.ToUpper(list), ",")
		slices.Sort(modes)
		return modes
	}
	return slices.Equal(sorted(a), sorted(b))
}

// readSession reads the variables of a connection, by their names.
func readSession(ctx context.Context, db *sql.DB) (map[string]string, error) {
	var names []string
	for _, v := range sessionVariables {
		names = append(names, v.names...)
	}
	rows, err := db.QueryContext(ctx, "SHOW SESSION VARIABLES WHERE Variable_name IN ('"+strings.Join(names, "', '")+"')") //nolint:gosec // names of ours
	if err != nil {
		return nil, fmt.Errorf("read the variables of the session: %w", err)
	}
	defer rows.Close()
	values := make(map[string]string, len(names))
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, fmt.Errorf("read the variables of the session: %w", err)
		}
		values[name] = value
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the variables of the session: %w", err)
	}
	return values, nil
}

// sessionStatement sets the variables that the server knows.
func sessionStatement(known map[string]string) string {
	var all []string
	for _, v := range sessionVariables {
		if v.shown {
			continue
		}
		for _, name := range v.names {
			if _, ok := known[name]; !ok {
				continue
			}
			value := v.value
			if strings.Trim(value, "0123456789") != "" {
				value = "'" + value + "'"
			}
			all = append(all, name+" = "+value)
			break
		}
	}
	return "SET " + strings.Join(all, ", ")
}

// sessionConnector makes connections that have their variables set. The driver
// would set those of a DSN in any order.
type sessionConnector struct {
	driver.Connector
	statement string
}

// Connect implements [driver.Connector].
func (c sessionConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	execer, ok := conn.(driver.ExecerContext)
	if !ok {
		return nil, errors.Join(errors.New("the MySQL driver runs no statements on a connection"), conn.Close())
	}
	if _, err := execer.ExecContext(ctx, c.statement, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("set the variables of the session: %w", err), conn.Close())
	}
	return conn, nil
}

// checkSession reads once whether connections come as they should: a proxy in
// between may have an opinion of its own.
func checkSession(ctx context.Context, db *sql.DB) error {
	values, err := readSession(ctx, db)
	if err != nil {
		return err
	}
	for _, v := range sessionVariables {
		for _, name := range v.names {
			if is, ok := values[name]; ok && !v.equal(is) {
				return fmt.Errorf("connections have %s = %s although it was set to %s: look whether a proxy in front of the database keeps session variables", name, is, v.value)
			}
		}
	}
	return nil
}
