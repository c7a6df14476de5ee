package currentlog

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// TestEntriesGoToTheLoggerOfTheMoment guards that what was made under one
// configuration logs where the next one says, at its level, and keeps its fields.
func TestEntriesGoToTheLoggerOfTheMoment(t *testing.T) {
	first, before := observer.New(zap.InfoLevel)
	second, after := observer.New(zap.WarnLevel)
	current := zap.New(first)
	logger := New(func() *zap.Logger { return current }).Named("dockit").With(zap.Int("kept", 1))
	logger.Info("one")
	current = zap.New(second)
	logger.Info("two")
	logger.Warn("three", zap.Int("own", 2))

	require.Equal(t, 1, before.Len())
	assert.Equal(t, "one", before.All()[0].Message)
	require.Equal(t, 1, after.Len())
	assert.Equal(t, "three", after.All()[0].Message)
	assert.Equal(t, "dockit", after.All()[0].LoggerName)
	assert.Equal(t, map[string]any{"kept": int64(1), "own": int64(2)}, after.All()[0].ContextMap())
}
