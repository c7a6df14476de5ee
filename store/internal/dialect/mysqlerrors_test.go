package dialect

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
)

// TestLostConnection guards what ends a connection and what does not: only after
// the former a transaction is repeated, and the outcome of its commit is unknown.
func TestLostConnection(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"nothing":                      {nil, false},
		"closed before anything went":  {driver.ErrBadConn, true},
		"closed":                       {mysql.ErrInvalidConn, true},
		"answers in another order":     {mysql.ErrPktSync, true},
		"more than was asked":          {mysql.ErrPktSyncMul, true},
		"half an answer":               {mysql.ErrMalformPkt, true},
		"an answer not read":           {mysql.ErrBusyBuffer, true},
		"end in the middle":            {io.ErrUnexpectedEOF, true},
		"timeout of the network":       {&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, true},
		"requests in another order":    {&mysql.MySQLError{Number: 1156}, true},
		"killed":                       {&mysql.MySQLError{Number: 1927}, true},
		"the client has left":          {context.Canceled, false},
		"no time left":                 {context.DeadlineExceeded, false},
		"a row that is there":          {&mysql.MySQLError{Number: mysqlDuplicate}, false},
		"conflict, which is no loss":   {&mysql.MySQLError{Number: mysqlDeadlock}, false},
		"too large, which has no cure": {mysql.ErrPktTooLarge, false},
		"something else":               {errors.New("something else"), false},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.err
			if err != nil {
				err = fmt.Errorf("read robot:ci: %w", err)
			}
			assert.Equal(t, tc.want, lostMySQL(err), "lost")
		})
	}
}
