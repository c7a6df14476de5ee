package dialect

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMySQLDSNSetsWhatIsNeeded(t *testing.T) {
	config, err := parseMySQLDSN("dockit:secret@tcp(db)/dockit?readTimeout=7s&innodb_lock_wait_timeout=3&multiStatements=true&tls=true")
	require.NoError(t, err)
	assert.NotZero(t, config.Timeout)
	assert.Equal(t, 7*time.Second, config.ReadTimeout)
	assert.NotZero(t, config.WriteTimeout)
	assert.False(t, config.MultiStatements)
	assert.True(t, config.ClientFoundRows)
	assert.Equal(t, "true", config.TLSConfig)
	assert.Equal(t, "3", config.Params["innodb_lock_wait_timeout"])
}

func TestMySQLDSNMayRepeatWhatIsSet(t *testing.T) {
	config, err := parseMySQLDSN("dockit:secret@tcp(db)/dockit?autocommit=1&tx_isolation=%27repeatable-read%27&foreign_key_checks=true&completion_type=0" +
		"&sql_mode=%27NO_ENGINE_SUBSTITUTION,STRICT_ALL_TABLES%27&time_zone=%27%2B00:00%27&collation=utf8mb4_bin&net_write_timeout=60")
	require.NoError(t, err)
	assert.Equal(t, "60", config.Params["net_write_timeout"], "other variables are lost: %v", config.Params)
}

func TestMySQLVersion(t *testing.T) {
	for version, supported := range map[string]bool{
		"8.0.16": true, "8.4.3-log": true, "9.1.0": true, "8.0.15": false, "5.7.44-log": false,
		"10.11.14-MariaDB-0+deb12u2": true, "5.5.5-10.6.5-MariaDB": true, "11.4.2-MariaDB": true,
		"10.4.34-MariaDB": false, "5.5.68-MariaDB": false, "what": false,
	} {
		err := checkMySQLVersion(version)
		assert.Equal(t, supported, err == nil, "%s: %v", version, err)
	}
}
