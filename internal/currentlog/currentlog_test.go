package currentlog

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
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

// TestEachLogDecidesForItself guards that of several logs each gets what is of
// its level, and no log what it leaves out.
func TestEachLogDecidesForItself(t *testing.T) {
	all, everything := observer.New(zap.DebugLevel)
	errorsOnly, failures := observer.New(zap.ErrorLevel)
	logger := New(func() *zap.Logger { return zap.New(zapcore.NewTee(all, errorsOnly, unnamed{all})) }).Named("dockit").With(zap.Int("kept", 1))
	logger.Info("one")
	logger.Error("two")
	require.Equal(t, 2, everything.Len())
	assert.Equal(t, map[string]any{"kept": int64(1)}, everything.All()[1].ContextMap())
	require.Equal(t, 1, failures.Len())
	assert.Equal(t, "two", failures.All()[0].Message)
}

// unnamed is a log that leaves out what a named logger says.
type unnamed struct{ zapcore.Core }

func (u unnamed) With(fields []zapcore.Field) zapcore.Core { return unnamed{u.Core.With(fields)} }

func (u unnamed) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if entry.LoggerName != "" {
		return checked
	}
	return u.Core.Check(entry, checked)
}
