package dialect

import (
	"errors"
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHintsAreSaidOnce guards that an error says what to do behind its text, and
// once, however many layers add it.
func TestHintsAreSaidOnce(t *testing.T) {
	full := &mysql.MySQLError{Number: 1021, Message: "Disk full"}
	hint := mysqlHint(full)
	require.NotEmpty(t, hint)
	once := WithHint(fmt.Errorf("write: %w", full), hint)
	assert.Equal(t, "write: "+full.Error()+": "+hint, once.Error())
	require.ErrorIs(t, once, full)
	assert.Equal(t, once, WithHint(once, Hint(once)))

	plain := errors.New("plain")
	assert.Equal(t, plain, WithHint(plain, Hint(plain)))
	assert.NoError(t, WithHint(nil, mysqlHint(nil)))
}
