package dialect

import (
	"context"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/go-sql-driver/mysql"
)

// Errors of MySQL and MariaDB servers by number.
const (
	mysqlLockWait    = 1205
	mysqlDeadlock    = 1213 // in a Galera cluster also a change of another node
	mysqlCertify     = 3101 // a change of another member of a group of MySQL servers
	mysqlDuplicate   = 1062
	mysqlNoTable     = 1146
	mysqlNotInQuorum = 1047 // a Galera node that is not, or not yet, in its cluster
	mysqlHalfCommit  = 1180 // such a node left its cluster while it committed
)

var (
	// mysqlUndone are errors after which the same transaction may pass: row
	// changed since it was read, lock wait timeout, conflicts.
	mysqlUndone = []uint16{1020, mysqlLockWait, mysqlDeadlock, mysqlCertify}
	// mysqlGone are errors of a server that ends the connection, or is as good
	// as gone: shutting down, aborted connection, packets out of order and other
	// network errors, malformed packet, killed connection, idle for too long, not
	// in its cluster.
	mysqlGone = []uint16{1053, 1152, 1156, 1157, 1158, 1159, 1160, 1161, 1835, 1927, 4031, mysqlNotInQuorum, mysqlHalfCommit}
	// mysqlBroken are errors of the driver about a connection that it has closed,
	// or does not use again: answers came in pieces, in another order, or not at
	// all.
	mysqlBroken = []error{
		driver.ErrBadConn, mysql.ErrInvalidConn, mysql.ErrMalformPkt, mysql.ErrPktSync, mysql.ErrPktSyncMul, mysql.ErrBusyBuffer,
		io.EOF, io.ErrUnexpectedEOF,
	}
)

// mysqlCode is the number of a server's error, or 0.
func mysqlCode(err error) uint16 {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number
	}
	return 0
}

func retryableMySQL(err error) bool { return slices.Contains(mysqlUndone, mysqlCode(err)) }

func lostMySQL(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if slices.ContainsFunc(mysqlBroken, func(broken error) bool { return errors.Is(err, broken) }) {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return slices.Contains(mysqlGone, mysqlCode(err))
}

// mysqlHint says what the operator can do about an error of a server.
func mysqlHint(err error) string {
	if hint := mysqlHints[mysqlCode(err)]; hint != "" {
		return hint
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the certificate of the server is not signed by an authority that this machine trusts: name its authority in SSL_CERT_FILE"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate of the server is for another name: write that one in the DSN"
	}
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return "the server did not answer in time: check that it runs and is not overloaded"
	case errors.Is(err, mysql.ErrNoTLS):
		return "the server does not offer TLS: give it a certificate, or take tls= out of the DSN"
	case errors.Is(err, ErrUnknownOutcome):
		return ""
	case lostMySQL(err):
		return "there is no connection to a server that can write: check that it runs, that it is not read-only and that the address in the DSN is right"
	}
	return ""
}

const grantHint = "give the user of the DSN all rights on the database: GRANT ALL ON dockit.* TO 'dockit'@'%'"

var mysqlHints = map[uint16]string{
	1040:             "the server has too many connections: raise its max_connections",
	1044:             grantHint,
	1142:             grantHint,
	1143:             grantHint,
	1227:             grantHint,
	1370:             grantHint,
	1045:             "check user and password in the DSN, and that the user may connect from this machine",
	1698:             "check user and password in the DSN, and that the user may connect from this machine",
	1129:             "the server refuses this machine after failed connections: run FLUSH HOSTS there",
	1130:             "the server lets no user in from this machine: create the user for this address",
	1049:             "make the database: CREATE DATABASE dockit CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
	1203:             "the user has too many connections: raise its MAX_USER_CONNECTIONS",
	1226:             "the user has used up what the server grants it: raise its limits",
	1021:             "the disk of the server is full",
	1114:             "the server has no room for more rows: look at its disk",
	mysqlNotInQuorum: "the node of the database's cluster joins it just now or does not see the majority of it, and answers nothing until it does: check the other nodes, and what leads to them",
	mysqlLockWait:    "the database was busy with other changes, or its node waited for the rest of its cluster, for too long: try again",
	mysqlDeadlock:    "other changes came in between each time: try again",
	mysqlCertify:     "other changes came in between each time: try again",
	1153:             "raise max_allowed_packet of the server",
}

// mysqlRights reports whether the user of the DSN may not do something: trying
// again does not help.
func mysqlRights(err error) bool { return mysqlHints[mysqlCode(err)] == grantHint }
