package apiserver

import (
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
)

// checkCertificateFolder makes sure that the certificates of --domain can be
// kept. Authorities give only so many of them a week: those that a restart
// loses are soon missed.
func checkCertificateFolder(logger *zap.Logger) error {
	folder := caddy.AppDataDir()
	if absolute, err := filepath.Abs(folder); err == nil {
		folder = absolute
	}
	err := os.MkdirAll(folder, 0o700)
	if err == nil {
		err = tryWriting(folder)
	}
	if err != nil {
		return fmt.Errorf("--domain keeps certificates in %s, which this process cannot write: "+
			"set XDG_DATA_HOME (or HOME) to a folder that it can, and that outlives a restart: %w", folder, err)
	}
	if os.Getenv("HOME") == "" && os.Getenv("XDG_DATA_HOME") == "" {
		logger.Warn("neither XDG_DATA_HOME nor HOME is set: certificates are kept in the working folder; set one to a folder that outlives a restart",
			zap.String("folder", folder))
	}
	return nil
}

func tryWriting(folder string) error {
	file, err := os.CreateTemp(folder, ".dockit-*")
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Remove(file.Name())
}
