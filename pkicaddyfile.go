package dockit

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// unmarshal sets up the keys from the subdirective:
//
//	pki generate|file <key> [<certificate>] {
//		key_type       ec256|ec384|ec521|rsa2048|rsa3072|rsa4096|ed25519
//		leaf_life      <duration>
//		encryption_key <key>
//		seal_existing
//	}
func (p *PKI) unmarshal(d *caddyfile.Dispenser) error {
	const usage = "write: pki generate, or: pki file <path> [<certificate's path>]"
	if !d.NextArg() {
		return d.Err(usage)
	}
	source := d.Val()
	switch source {
	case "file":
		if !d.Args(&p.File) || p.File == "" {
			return d.Err(usage)
		}
		if d.NextArg() {
			p.CertificateFile = d.Val()
		}
	case "generate":
	default:
		return d.Errf("unknown source of keys %q: %s", source, usage)
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	return settings(d, "pki "+source, map[string]func() error{
		"key_type":       func() error { return argument(d, &p.KeyType) },
		"leaf_life":      func() error { return positiveDuration(d, &p.LeafLife) },
		"encryption_key": func() error { return argument(d, &p.EncryptionKey) },
		"seal_existing": func() error {
			p.SealExisting = true
			if d.NextArg() {
				return d.ArgErr()
			}
			return noBlock(d, "seal_existing")
		},
	})
}
