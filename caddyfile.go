package dockit

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/internal/duration"
	"github.com/dockit-registry/dockit/internal/settings"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("dockit", parseGlobalOption)
	httpcaddyfile.RegisterHandlerDirective("dockit", parseDirective)
	// Before reverse_proxy and respond, and before handle: the token endpoint
	// stands below /v2/, which a site may hand to the registry as a whole.
	httpcaddyfile.RegisterDirectiveOrder("dockit", httpcaddyfile.After, "encode")
}

func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next()
		return nil, d.Err("dockit is configured twice: one block serves every site")
	}
	a := new(App)
	if err := a.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "dockit", Value: caddyconfig.JSON(a, nil)}, nil
}

func parseDirective(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	err := handler.UnmarshalCaddyfile(h.Dispenser)
	return handler, err
}

// UnmarshalCaddyfile sets up the app from the global option:
//
//	dockit {
//		issuer   <name>
//		service  <name> {
//			profile   x5c|jwks|zot
//			token_ttl <duration>
//			url       <url>
//			ca_file   <path>
//			host      <host>
//		}
//		database sqlite|mysql <dsn> {
//			litestream_socket <path>
//		}
//		pki      generate|file <key> [<certificate>] {
//			key_type       ec256|ec384|ec521|rsa2048|rsa3072|rsa4096|ed25519
//			leaf_life      <duration>
//			encryption_key <key>
//			seal_existing
//		}
//		token_ttl <duration>
//		shared_tokens on|off
//		cors_origin <origin>...
//		serve_stale <duration>|off
//		root_user <name> [<password>]
//		refresh_tokens on|off {
//			life <duration>
//			idle <duration>
//		}
//		access_tokens {
//			life      <duration>
//			per_robot <number>
//		}
//		passwords {
//			refused  <file>
//			remember <duration>|off
//		}
//		lockout {
//			failures <number>
//			window   <duration>
//			duration <duration>
//			ceiling  <number>
//		}
//		audit {
//			keep <duration>
//		}
//		limits {
//			permissions <number>
//			state_size  <size>
//		}
//	}
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	if d.NextArg() {
		return d.ArgErr()
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		if seen[name] && name != "service" && name != "cors_origin" {
			return d.Errf("%s is given twice", name)
		}
		seen[name] = true
		var err error
		switch name {
		case "issuer":
			err = argument(d, &a.Issuer)
		case "service":
			err = a.unmarshalService(d)
		case "database":
			a.Database = new(Database)
			err = a.Database.unmarshal(d)
		case "pki":
			a.PKI = new(PKI)
			err = a.PKI.unmarshal(d)
		case "token_ttl":
			err = tokenTTL(d, &a.TokenTTL)
		case "shared_tokens":
			a.SharedTokens, err = onOrOff(d)
		case "cors_origin":
			err = a.unmarshalOrigins(d)
		case "serve_stale":
			err = durationOrOff(d, &a.ServeStale)
		case "root_user":
			a.RootUser = new(RootUser)
			err = a.RootUser.unmarshal(d)
		case "refresh_tokens":
			a.RefreshTokens = new(RefreshTokens)
			err = a.RefreshTokens.unmarshal(d)
		case "access_tokens":
			a.AccessTokens = new(AccessTokens)
			err = a.AccessTokens.unmarshal(d)
		case "passwords":
			a.Passwords = new(Passwords)
			err = a.Passwords.unmarshal(d)
		case "lockout":
			a.Lockout = new(Lockout)
			err = a.Lockout.unmarshal(d)
		case "audit":
			a.Audit = new(Audit)
			err = a.Audit.unmarshal(d)
		case "limits":
			a.Limits = new(Limits)
			err = a.Limits.unmarshal(d)
		default:
			err = d.Errf("unknown dockit subdirective %q: use issuer, service, database, pki, token_ttl, shared_tokens, cors_origin, serve_stale, root_user, "+
				"refresh_tokens, access_tokens, passwords, lockout, audit or limits", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *App) unmarshalService(d *caddyfile.Dispenser) error {
	s := new(Service)
	if d.CountRemainingArgs() > 1 {
		return d.Errf("service takes one name: write a line for each, `service %s`", strings.Join(d.RemainingArgs(), "` and `service "))
	}
	if err := argument(d, &s.Name); err != nil {
		return err
	}
	for _, other := range a.Services {
		if other.Name == s.Name {
			return d.Errf("service %q is given twice", s.Name)
		}
	}
	a.Services = append(a.Services, s)
	return readBlock(d, "service", map[string]func() error{
		"profile": func() error {
			if err := argument(d, &s.Profile); err != nil {
				return err
			}
			if _, err := parseProfile(s.Profile); err != nil {
				return d.WrapErr(err)
			}
			return nil
		},
		"token_ttl": func() error { return tokenTTL(d, &s.TokenTTL) },
		"url":       func() error { return s.unmarshalURL(d) },
		"ca_file":   func() error { return argument(d, &s.CAFile) },
		"host":      func() error { return argument(d, &s.Host) },
	})
}

func (s *Service) unmarshalURL(d *caddyfile.Dispenser) error {
	if err := argument(d, &s.URL); err != nil {
		return err
	}
	if strings.Contains(s.URL, "{") { // a placeholder
		return nil
	}
	if _, err := settings.ParseRegistryURL("url", s.URL); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (a *App) unmarshalOrigins(d *caddyfile.Dispenser) error {
	origins := d.RemainingArgs()
	if len(origins) == 0 {
		return d.ArgErr()
	}
	for _, origin := range origins {
		if strings.Contains(origin, "{") { // a placeholder
			continue
		}
		if err := handlers.ValidateOrigin(origin); err != nil {
			return d.Errf("cors_origin: %v", err)
		}
	}
	a.CORSOrigins = append(a.CORSOrigins, origins...)
	return noBlock(d, "cors_origin")
}

func (db *Database) unmarshal(d *caddyfile.Dispenser) error {
	if !d.Args(&db.Dialect, &db.DSN) || d.NextArg() {
		return d.Err("write: database sqlite <path>, or: database mysql <dsn>")
	}
	return readBlock(d, "database", map[string]func() error{
		"litestream_socket": func() error { return argument(d, &db.LitestreamSocket) },
	})
}

func (u *RootUser) unmarshal(d *caddyfile.Dispenser) error {
	if !d.Args(&u.Name) {
		return d.ArgErr()
	}
	if d.NextArg() {
		u.Password = d.Val()
	}
	if d.NextArg() {
		return d.Err("write: root_user <name> [<password>], with quotes around a value with spaces")
	}
	return noBlock(d, "root_user")
}

// UnmarshalCaddyfile sets up the handler from the directive:
//
//	dockit [<matcher>] [token] [certs] [admin] [health] [ui]
//
// Without an argument it answers every endpoint.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	for d.NextArg() {
		if _, err := handlers.ParseEndpoint(d.Val()); err != nil {
			return d.WrapErr(err)
		}
		h.Endpoints = append(h.Endpoints, d.Val())
	}
	return noBlock(d, "dockit in a site")
}

func tokenTTL(d *caddyfile.Dispenser, value *caddy.Duration) error {
	var text string
	if err := argument(d, &text); err != nil {
		return err
	}
	ttl, err := duration.Parse(text)
	if err != nil {
		return d.Errf("token_ttl: %v", err)
	}
	*value = caddy.Duration(ttl)
	if err := settings.CheckTokenTTL("token_ttl", ttl); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*App)(nil)
	_ caddyfile.Unmarshaler = (*Handler)(nil)
)

// argument reads the only argument of a subdirective.
func argument(d *caddyfile.Dispenser, value *string) error {
	name := d.Val()
	args := d.RemainingArgs()
	switch len(args) {
	case 0:
		return d.ArgErr()
	case 1:
		*value = args[0]
	default:
		return d.Errf("%s takes one value: quote one with spaces", name) // which may be a secret
	}
	if *value == "" {
		return d.Errf("%s is empty", name)
	}
	return nil
}

// onOrOff reads a switch.
func onOrOff(d *caddyfile.Dispenser) (*bool, error) {
	name := d.Val()
	var text string
	if err := argument(d, &text); err != nil {
		return nil, err
	}
	if text != "on" && text != "off" {
		return nil, d.Errf("%s %q: write on or off", name, text)
	}
	on := text == "on"
	return &on, nil
}

// noBlock refuses a block after a directive that takes none, which Caddy
// would otherwise read as something else.
func noBlock(d *caddyfile.Dispenser, name string) error {
	if nesting := d.Nesting(); d.NextBlock(nesting) {
		return d.Errf("unknown subdirective %q: %s takes no block", d.Val(), name)
	}
	return nil
}

// readBlock reads the block of a subdirective, whose settings are read by the
// function of their name, each at most once.
func readBlock(d *caddyfile.Dispenser, of string, read map[string]func() error) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		if seen[name] {
			return d.Errf("%s is given twice", name)
		}
		seen[name] = true
		if read[name] == nil {
			return d.Errf("unknown subdirective %q of %s: use %s", name, of, strings.Join(slices.Sorted(maps.Keys(read)), ", "))
		}
		if err := read[name](); err != nil {
			return err
		}
	}
	return nil
}

func positiveDuration(d *caddyfile.Dispenser, value *caddy.Duration) error {
	name := d.Val()
	var text string
	if err := argument(d, &text); err != nil {
		return err
	}
	return parsePositiveDuration(d, name, text, value)
}

// durationOrOff makes off a negative duration.
func durationOrOff(d *caddyfile.Dispenser, value *caddy.Duration) error {
	name := d.Val()
	var text string
	if err := argument(d, &text); err != nil {
		return err
	}
	if text == "off" {
		*value = -1
		return nil
	}
	return parsePositiveDuration(d, name, text, value)
}

func parsePositiveDuration(d *caddyfile.Dispenser, name, text string, value *caddy.Duration) error {
	duration, err := duration.Parse(text)
	if err != nil {
		return d.Errf("%s: %v", name, err)
	}
	if duration <= 0 {
		return d.Errf("%s is %s: write a duration such as 15m or 90d", name, text)
	}
	*value = caddy.Duration(duration)
	return nil
}

func positiveNumber(d *caddyfile.Dispenser, value *int) error {
	name := d.Val()
	var text string
	if err := argument(d, &text); err != nil {
		return err
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		return d.Errf("%s is %q: write a number from 1", name, text)
	}
	*value = number
	return nil
}
