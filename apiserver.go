package dockit

import (
	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/internal/apiserver"
	"github.com/dockit-registry/dockit/internal/settings"
)

// appOf is the configuration of the app that the flags of api-server make.
func appOf(o *apiserver.Options) (any, error) {
	a := &App{
		Issuer:        literal(o.Issuer),
		TokenTTL:      caddy.Duration(o.TokenTTL),
		Database:      &Database{Dialect: o.SQLDialect, LitestreamSocket: literal(o.LitestreamSocket)},
		PKI:           &PKI{File: literal(o.PKIFile), CertificateFile: literal(o.PKICertificateFile), SealExisting: o.PKISealExisting},
		RefreshTokens: &RefreshTokens{Enabled: o.RefreshTokens, Life: caddy.Duration(o.RefreshTokenLife), Idle: caddy.Duration(o.RefreshTokenIdle)},
		AccessTokens:  &AccessTokens{Life: caddy.Duration(o.AccessTokenLife), PerRobot: o.RobotTokens},
		Passwords:     &Passwords{Refused: literal(o.RefusedPasswords)},
	}
	if !o.SharedTokens {
		a.SharedTokens = &o.SharedTokens
	}
	for _, service := range o.Services {
		location, proxied := o.Registry(service)
		s := &Service{Name: literal(service), URL: literal(location), Host: literal(o.RegistryHost(service)), Proxied: proxied}
		if location != "" {
			s.CAFile = literal(o.RegistryCAFile)
		}
		a.Services = append(a.Services, s)
	}
	for _, origin := range o.CORSOrigins {
		a.CORSOrigins = append(a.CORSOrigins, literal(origin))
	}
	if a.ServeStale = caddy.Duration(o.ServeStale); o.ServeStale == 0 {
		a.ServeStale = -1
	}
	if o.AuditKeep != 0 {
		a.Audit = &Audit{Keep: caddy.Duration(o.AuditKeep)}
	}
	if o.Given("max-permissions") || o.Given("max-state-size") {
		size, err := settings.ParseStateSize("--max-state-size", o.MaxStateSize)
		if err != nil {
			return nil, err
		}
		a.Limits = &Limits{Permissions: o.MaxPermissions, StateSize: size}
	}
	keyType, err := o.KeyType()
	if err != nil {
		return nil, err
	}
	a.PKI.KeyType = string(keyType)
	if o.Given("pki-leaf-life") {
		a.PKI.LeafLife = caddy.Duration(o.PKILeafLife)
	}
	if o.PKIEncryptionKey != "" {
		if a.PKI.EncryptionKey, err = secret("DOCKIT_PKI_ENCRYPTION_KEY", o.PKIEncryptionKey); err != nil {
			return nil, err
		}
	}
	if a.Database.DSN, err = secret("DOCKIT_SQL_DSN", o.SQLDSN); err != nil {
		return nil, err
	}
	if o.RootUser == "" {
		return a, nil
	}
	a.RootUser = &RootUser{Name: o.RootUser}
	if o.RootPassword != "" {
		a.RootUser.Password, err = secret("DOCKIT_ROOT_PASSWORD", o.RootPassword)
	}
	return a, err
}
