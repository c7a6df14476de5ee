// Package install holds the command that puts the credential provider onto a node.
package install

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/credentialprovider"
)

// Plugin is the name of the plugin, of its file as in the kubelet's configuration.
const Plugin = "dockit-credential-provider"

type command struct {
	from, folder, config string
	provider             Provider
	every                time.Duration
}

// NewCommand makes the command install-credential-provider.
func NewCommand() *cobra.Command {
	var c command
	cmd := &cobra.Command{
		Use:   "install-credential-provider --folder FOLDER --config FILE --registry HOST",
		Short: "Put the kubelet's plugin and its configuration onto a node",
		Long: `Put the kubelet's plugin and its configuration onto a node: what the DaemonSet of the chart does
with a folder of the node. Other providers in the configuration stay as they are. It looks again
every --every, until it is stopped.

It starts no kubelet anew, and a kubelet reads both at its start only: the log says when
something changed.`,
		Example: `  dockit-kubernetes install-credential-provider --registry registry.example.com \
    --folder /var/lib/rancher/credentialprovider/bin --config /var/lib/rancher/credentialprovider/config.yaml --every 0`,
		Args: cobra.NoArgs,
		RunE: c.run,
	}
	flags := cmd.Flags()
	flags.StringVar(&c.from, "from", "", "the plugin's `file` (default "+Plugin+" beside this program)")
	flags.StringVar(&c.folder, "folder", "", "`folder` that the kubelet has as --image-credential-provider-bin-dir (required)")
	flags.StringVar(&c.config, "config", "", "`file` that the kubelet has as --image-credential-provider-config, YAML or, if it ends so, .json (required)")
	flags.StringArrayVar(&c.provider.Registries, "registry", nil, "`host` of a registry that pods pull from (repeatable, required)")
	flags.StringVar(&c.provider.Audience, "audience", "", "`audience` of the tokens (default https:// and the first registry)")
	flags.StringVar(&c.provider.Server, "server", "", "`URL` of Dockit as nodes reach it (default https at the host of the registry)")
	flags.StringVar(&c.provider.CAFile, "ca-file", "", "`file` on the node with authorities that may vouch for Dockit, in PEM")
	flags.DurationVar(&c.every, "every", 5*time.Minute, "how often to look; 0: once")
	return cmd
}

func (c *command) run(cmd *cobra.Command, _ []string) error {
	if err := c.prepare(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	for {
		changed, err := Install(c.from, c.folder, c.config, c.provider)
		switch {
		case err != nil && c.every == 0:
			return err
		case err != nil:
			fmt.Fprintln(cmd.ErrOrStderr(), err)
		case changed:
			fmt.Fprintln(cmd.OutOrStdout(), "the plugin or its configuration changed: restart the kubelet of this node")
		}
		if c.every == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(c.every):
		}
	}
}

// prepare checks the flags, and fills in what has a default.
func (c *command) prepare() error {
	switch {
	case c.folder == "" || c.config == "":
		return cli.Usagef("say where the kubelet looks, with --folder and --config")
	case len(c.provider.Registries) == 0:
		return cli.Usagef("no registry: write --registry HOST for each that pods pull from")
	case c.every < 0:
		return cli.Usagef("--every: %s is no time to wait", c.every)
	}
	for i, registry := range c.provider.Registries {
		host, err := credentialprovider.ParseRegistry(registry)
		if err != nil {
			return cli.Usagef("--registry: %w", err)
		}
		c.provider.Registries[i] = host
	}
	if c.provider.Server != "" {
		if _, err := credentialprovider.ParseServer(c.provider.Server); err != nil {
			return cli.Usagef("--server: %w", err)
		}
	}
	if c.provider.Audience == "" {
		c.provider.Audience = "https://" + c.provider.Registries[0]
	}
	if c.from == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find the plugin: %w: name it with --from", err)
		}
		c.from = filepath.Join(filepath.Dir(self), Plugin)
	}
	return nil
}

// Install puts the plugin into a folder and its provider into a configuration, and says whether
// anything changed. The plugin comes first: a kubelet refuses to start without a plugin that its
// configuration names.
func Install(from, folder, config string, p Provider) (changed bool, err error) {
	program, err := os.ReadFile(from)
	if err != nil {
		return false, fmt.Errorf("read the plugin: %w", err)
	}
	current, err := os.ReadFile(config)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("read the configuration: %w", err)
	}
	next, err := merge(current, p, filepath.Ext(config) == ".json")
	if err != nil {
		return false, fmt.Errorf("change the configuration %s: %w", config, err)
	}
	const executable, readable = 0o755, 0o644
	first, err := put(filepath.Join(folder, Plugin), program, executable)
	if err != nil {
		return false, fmt.Errorf("write the plugin: %w", err)
	}
	second, err := put(config, next, readable)
	if err != nil {
		return first, fmt.Errorf("write the configuration: %w", err)
	}
	return first || second, nil
}
