package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/dockit-registry/dockit/internal/apiserver"
	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/memorylimit"
)

func newRunCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Serve a Caddyfile or a JSON configuration",
		Long: `Serve what a configuration of Caddy says, with Dockit's app and handler in it.

The file is a Caddyfile, or JSON when its name ends in .json. On SIGUSR1 it is
read again: no request is lost, neither one in flight nor one that comes
meanwhile, and a configuration that does not work leaves the old one running.

Caddy's own admin endpoint, which asks for no password, stays closed unless the
file says where it listens: "admin unix//run/dockit-admin.sock", for example.`,
		Example: "  dockit run --config Caddyfile",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return cli.UsageError(fmt.Errorf("the file to serve stands behind --config: write '%s --config %s'", cmd.CommandPath(), args[0]))
			}
			return cli.UsageError(cobra.NoArgs(cmd, args))
		},
	}
	cmd.Flags().StringVarP(&config, "config", "c", "", "`file` to serve")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := cli.BindEnvironment(cmd); err != nil {
			return err
		}
		if config == "" {
			return cli.UsageError(errors.New("--config is needed: name a Caddyfile or a JSON configuration"))
		}
		return serve(config)
	}
	return cmd
}

// serve runs the configuration until the process gets a signal to stop, and
// does not return unless it cannot start.
func serve(file string) error {
	caddy.TrapSignals() // which drains what is in flight before it exits
	_, logger, _ := caddy.BufferedLog()
	defer caddy.UnbufferDefaultLogger(logger)
	memorylimit.Set(caddy.Log().Named("dockit"))

	caddy.SetLastConfig(file, "", func(file, _ string) error { return take(file, false) })
	if err := take(file, true); err != nil {
		return err
	}
	select {}
}

// take takes a configuration into use, the first one only if no other process
// listens where it does.
func take(file string, first bool) error {
	config, err := load(file)
	if err == nil && first {
		err = checkFree(config)
	}
	if err == nil {
		err = caddy.Load(config, true)
	}
	return explainMissing(err)
}

// checkFree makes sure that no other process listens where the configuration does.
func checkFree(config []byte) error {
	var parsed caddy.Config
	if err := json.Unmarshal(config, &parsed); err != nil {
		return nil //nolint:nilerr // Caddy says what is wrong with it
	}
	return apiserver.CheckFree(&parsed)
}

// load reads a configuration, adapts it to JSON, and closes what it does not
// open by itself.
func load(file string) ([]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if strings.EqualFold(filepath.Ext(file), ".json") {
		if err := json.Unmarshal(content, new(json.RawMessage)); err != nil {
			return nil, fmt.Errorf("read configuration %s as JSON: %w", file, err)
		}
		config, err := closeAdminEndpoint(content)
		if err != nil {
			return nil, fmt.Errorf("read configuration %s: %w", file, err)
		}
		return config, nil
	}
	caddy.DefaultAdminListen = defaultAdminListen
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(content, map[string]any{"filename": file})
	if err != nil {
		return nil, err // names file and line
	}
	for _, w := range warnings {
		caddy.Log().Warn(w.Message, zap.String("file", w.File), zap.Int("line", w.Line))
	}
	return closeAdminEndpoint(config)
}
