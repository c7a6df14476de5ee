package dockit

import (
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
)

// warnOfAdminEndpoint warns when Caddy's admin endpoint can be reached over
// TCP: it asks for no credentials, so that every process of the machine can
// make itself an admin of Dockit there.
func (a *App) warnOfAdminEndpoint(s surroundings) {
	if s.adminDisabled {
		return
	}
	listen, err := caddy.NewReplacer().ReplaceOrErr(s.adminListen, true, true)
	if err != nil {
		return // Caddy refuses it
	}
	if listen == "" {
		listen = caddy.DefaultAdminListen
	}
	address, err := caddy.ParseNetworkAddress(listen)
	if err != nil || address.IsUnixNetwork() || address.IsFdNetwork() {
		return
	}
	a.logger.Warn("Caddy's admin endpoint is open: whoever reaches it, such as any process on this machine, can replace the configuration and become an admin of Dockit without a password; "+
		"write `admin off` or `admin unix//run/caddy-admin.sock` into the global options", zap.String("admin_endpoint", listen))
}
