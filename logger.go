package dockit

import (
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
)

// processLogger returns a logger for what outlives a configuration. It writes
// wherever the configuration of the moment says; the logger of the
// configuration that opened a thing may write to a file that is closed since.
func processLogger(name string) *zap.Logger {
	return zap.New(currentCore{}).Named(name)
}

// currentCore hands entries to Caddy's default logger of the moment.
type currentCore struct{ fields []zapcore.Field }

func (currentCore) Enabled(level zapcore.Level) bool { return caddy.Log().Core().Enabled(level) }

func (c currentCore) With(fields []zapcore.Field) zapcore.Core {
	return currentCore{append(slices.Clip(c.fields), fields...)}
}

func (c currentCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !c.Enabled(entry.Level) {
		return checked
	}
	return checked.AddCore(entry, c)
}

func (c currentCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	return caddy.Log().Core().Write(entry, append(slices.Clip(c.fields), fields...))
}

func (currentCore) Sync() error { return caddy.Log().Core().Sync() }
