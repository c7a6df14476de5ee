// Package currentlog has the logger of what outlives a configuration.
package currentlog

import (
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// New returns a logger that hands each entry to what current returns then. The
// logger of the configuration that opened a thing may write to a file that is
// closed since.
func New(current func() *zap.Logger) *zap.Logger { return zap.New(core{current: current}) }

// core hands entries to the logger of the moment.
type core struct {
	current func() *zap.Logger
	fields  []zapcore.Field
}

func (c core) Enabled(level zapcore.Level) bool { return c.current().Core().Enabled(level) }

func (c core) With(fields []zapcore.Field) zapcore.Core {
	return core{c.current, append(slices.Clip(c.fields), fields...)}
}

// Check asks the logger of the moment: it may consist of several, each with a
// level and names of its own.
func (c core) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !c.Enabled(entry.Level) {
		return checked
	}
	return c.current().Core().With(c.fields).Check(entry, checked)
}

func (c core) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	return c.current().Core().Write(entry, append(slices.Clip(c.fields), fields...))
}

func (c core) Sync() error { return c.current().Core().Sync() }
