package dockit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/token"
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
}

// open makes the ring of keys. Every configuration has its own, and closes it.
func (p *PKI) open(ctx context.Context, s *store.Store, services []*Service, serveStale time.Duration, logger *zap.Logger) (*pki.Ring, error) {
	options, err := p.options(services)
	if err != nil {
		return nil, err
	}
	options.ServeStale = serveStale
	logger = logger.Named("pki")
	if p.File == "" {
		if p.CertificateFile != "" {
			return nil, errors.New("certificate_file names a certificate without a key: name its key as file")
		}
		return pki.NewGeneratedRing(ctx, s, options, logger)
	}
	var files pki.Files
	if files.Key, err = expand("file", p.File); err != nil {
		return nil, err
	}
	if files.Certificate, err = expand("certificate_file", p.CertificateFile); err != nil {
		return nil, err
	}
	return pki.NewFileRing(ctx, s, files, options, logger)
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
		return options, nil
	}
	keys, err := expand("encryption_key", p.EncryptionKey)
	if err != nil {
		return options, err
	}
	if options.EncryptionKeys, err = pki.ParseEncryptionKeys(keys); err != nil {
		return options, fmt.Errorf("encryption_key: %w", err)
	}
	return options, nil
}
