package dockit

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/dockit-registry/dockit/internal/token"
	"github.com/dockit-registry/dockit/pki"
)

// PKI says where the keys come from that sign tokens.
type PKI struct {
	// File is a PEM file with a private key, and with its certificate chain
	// unless that stands in CertificateFile. Dockit signs with it instead of
	// keys that it makes, and follows it when it changes. Under the
	// certificate of an authority it makes signing keys of its own.
	File string `json:"file,omitempty"`

	// CertificateFile is a PEM file with the certificate of the key in File,
	// and its chain.
	CertificateFile string `json:"certificate_file,omitempty"`

	// KeyType is the type of the keys that Dockit makes: ec256, ec384, ec521,
	// rsa2048, rsa3072, rsa4096 or ed25519. Default: ec256, which every
	// registry accepts.
	KeyType string `json:"key_type,omitempty"`

	// LeafLife is how long a signing certificate is valid that Dockit makes.
	// It is replaced at two thirds of that. At least three times the longest
	// token_ttl and two minutes. Default: 7d, or four times the longest
	// token_ttl.
	LeafLife caddy.Duration `json:"leaf_life,omitempty"`

	// EncryptionKey seals private keys in the database: a text of at least 32
	// bytes, better kept in a placeholder. Further lines are keys that sealed
	// before: to change the key, put the new one above the old one. Default:
	// none; private keys stand in the database as they are.
	EncryptionKey string `json:"encryption_key,omitempty"`

	// SealExisting takes private keys that stand in the database as they are
	// over and seals them, which is how EncryptionKey is turned on for a
	// database that is in use. It is for one start: while it is set, a client
	// that can write to the database can put keys into it. Default: false; such
	// keys are an error.
	SealExisting bool `json:"seal_existing,omitempty"`
}

// keySource says where the keys of a configuration come from.
type keySource struct {
	files   *pki.Files // or nil
	content pki.Digest // of the files
	options pki.Options
}

// source reads the settings, with placeholders replaced, and checks them and
// the files that they name.
func (p *PKI) source(services []*Service) (keySource, error) {
	var from keySource
	var err error
	if from.options, err = p.options(services); err != nil {
		return from, err
	}
	if p.File == "" {
		if p.CertificateFile != "" {
			return from, errors.New("certificate_file names a certificate without a key: name its key as file")
		}
		_, err = pki.Check(nil, from.options)
		return from, err
	}
	from.files = new(pki.Files)
	if from.files.Key, err = expand("file", p.File); err != nil {
		return from, err
	}
	if from.files.Certificate, err = expand("certificate_file", p.CertificateFile); err != nil {
		return from, err
	}
	from.content, err = pki.Check(from.files, from.options)
	return from, err
}

// explainUnsealed says which settings turn encryption on.
func explainUnsealed(err error) error {
	if !errors.Is(err, pki.ErrUnsealed) {
		return err
	}
	return fmt.Errorf("%w: to turn encryption on for this database, start once with seal_existing in the block of pki, or --pki-seal-existing; "+
		"if it was on before, somebody else put these keys there: restore a backup", err)
}

func (p *PKI) options(services []*Service) (pki.Options, error) {
	var options pki.Options
	for _, service := range services {
		options.MaxTokenTTL = max(options.MaxTokenTTL, time.Duration(service.TokenTTL))
		switch service.profile {
		case token.ProfileJWKS:
			options.KidOnly = append(options.KidOnly, service.Name)
		case token.ProfileZot:
			options.Own = append(options.Own, service.Name)
		default:
			options.Services = append(options.Services, service.Name)
		}
	}
	options.LeafLife = time.Duration(p.LeafLife)
	if options.LeafLife == 0 {
		// A longer token needs certificates that outlive it.
		options.LeafLife = max(pki.DefaultLeafLife, 4*options.MaxTokenTTL)
	}
	var err error
	if p.KeyType != "" {
		if options.KeyType, err = pki.ParseKeyType(p.KeyType); err != nil {
			return options, err
		}
	}
	if p.EncryptionKey == "" {
		if p.SealExisting {
			return options, errors.New("seal_existing needs an encryption_key to seal with")
		}
		return options, nil
	}
	options.SealExisting = p.SealExisting
	keys, err := expand("encryption_key", p.EncryptionKey)
	if err != nil {
		return options, err
	}
	if options.EncryptionKeys, err = pki.ParseEncryptionKeys(keys); err != nil {
		return options, fmt.Errorf("encryption_key: %w", err)
	}
	return options, nil
}

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
	return readBlock(d, "pki "+source, map[string]func() error{
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
