package dockit

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// unmarshal sets up the keys from the subdirective:
//
//	pki generate|file <key> [<certificate>] {
//		key_type       ec256|ec384|ec521|rsa2048|rsa3072|rsa4096|ed25519
//		leaf_life      <duration>
//		encryption_key <key>
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
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		if seen[name] {
			return d.Errf("%s is given twice", name)
		}
		seen[name] = true
		var err error
		switch name {
		case "key_type":
			err = argument(d, &p.KeyType)
		case "leaf_life":
			err = leafLife(d, &p.LeafLife)
		case "encryption_key":
			err = argument(d, &p.EncryptionKey)
		default:
			err = d.Errf("unknown subdirective %q of pki %s: use key_type, leaf_life or encryption_key", name, source)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func leafLife(d *caddyfile.Dispenser, value *caddy.Duration) error {
	var text string
	if err := argument(d, &text); err != nil {
		return err
	}
	duration, err := caddy.ParseDuration(text)
	if err != nil {
		return d.Errf("leaf_life: %v", err)
	}
	if duration <= 0 {
		return d.Errf("leaf_life is %s: certificates must live for some time, such as 7d", text)
	}
	*value = caddy.Duration(duration)
	return nil
}
