package apiserver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestDomainWithoutHome(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	t.Chdir(t.TempDir())
	t.Setenv("HOME", "")
	t.Setenv("XDG_DATA_HOME", "")
	require.NoError(t, checkCertificateFolder(zap.New(core)))
	require.Len(t, logs.All(), 1)
	assert.Contains(t, logs.All()[0].Message, "set one to a folder that outlives a restart")

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	t.Setenv("XDG_DATA_HOME", file)
	require.ErrorContains(t, checkCertificateFolder(zap.NewNop()), "set XDG_DATA_HOME (or HOME) to a folder that it can")

	t.Setenv("XDG_DATA_HOME", t.TempDir())
	require.NoError(t, checkCertificateFolder(zap.New(core)))
	assert.Len(t, logs.All(), 1)
}
