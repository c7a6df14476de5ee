package dockit

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/token"
)

// PKI says where the keys come from that sign tokens.
type PKI struct {
	// File is a PEM file with a private key and its certificate chain, to sign
	// with instead of keys that Dockit makes.
	File string `json:"file,omitempty"`

	// KeyType is the type of the keys that Dockit makes: ec256, ec384, ec521,
	// rsa2048, rsa3072, rsa4096 or ed25519. Default: ec256, which every
	// registry accepts.
	KeyType string `json:"key_type,omitempty"`
}

func (p *PKI) open(ctx context.Context, s *store.Store, services []*Service, logger *zap.Logger) (*pki.Ring, error) {
	options := pki.Options{}
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
	// A longer token needs certificates that outlive it.
	options.LeafLife = max(pki.DefaultLeafLife, 4*options.MaxTokenTTL)
	logger = logger.Named("pki")
	if p.File != "" {
		if p.KeyType != "" {
			return nil, errors.New("key_type is for keys that Dockit makes, and file names a key: leave one of them out")
		}
		file, err := expand("file", p.File)
		if err != nil {
			return nil, err
		}
		return pki.NewFileRing(ctx, s, pki.Files{Key: file}, options, logger)
	}
	if p.KeyType != "" {
		var err error
		if options.KeyType, err = pki.ParseKeyType(p.KeyType); err != nil {
			return nil, err
		}
	}
	return pki.NewGeneratedRing(ctx, s, options, logger)
}
