package trust

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/pki"
)

// statementFormat is the signed list of what registries are to trust.
var statementFormat = Format{path: "/v2/certs/jws", check: func(content []byte, _ time.Time) ([]string, error) {
	_, err := pki.ParseStatement(content)
	return nil, err
}}

// errForeign is returned for content that is not all, and nothing but, what the
// server's keys have signed.
var errForeign = errors.New("something else answers for one of the server's paths")

// anchors are certificates and keys that are trusted already.
type anchors struct {
	certificates []*x509.Certificate
	keys         jose.JSONWebKeySet
}

func (a *anchors) add(format Format, content []byte) error {
	if format.path == Formats["jwks"].path {
		set, err := ParseKeySet(content)
		a.keys.Keys = append(a.keys.Keys, set.Keys...)
		return err
	}
	certificates, err := ParseBundle(content)
	a.certificates = append(a.certificates, certificates...)
	return err
}

// vouching says whose word is good enough for what a server answers.
type vouching struct {
	// required is set when the connection says nothing about who answers:
	// then something that is trusted already has to vouch for the answer.
	required bool
	// file holds what the operator trusts beforehand, or is empty.
	file string
	// known is the content that was trusted last, or nil.
	known []byte
}

// errNothingVouches is returned when there is nothing to check the server's word
// against.
var errNothingVouches = errors.New("that is plain HTTP to another machine, where whoever is on the way can answer, and nothing that is trusted already can vouch for the answer: " +
	"use https, name what is expected with --fingerprint or --anchors, or take the first answer with --allow-http")

// anchors reads what may vouch for an answer.
func (v *vouching) anchors(format Format) (anchors, error) {
	var a anchors
	if v.file != "" {
		content, err := ReadRegular(v.file)
		if err != nil {
			return a, fmt.Errorf("--anchors: %w", err)
		}
		if err := a.add(formatOf(content), content); err != nil {
			return a, fmt.Errorf("--anchors %s: %w", v.file, err)
		}
	}
	if v.known != nil {
		if err := a.add(format, v.known); err != nil {
			return a, err
		}
	}
	if len(a.certificates)+len(a.keys.Keys) == 0 {
		return a, &cli.PermanentError{Err: errNothingVouches}
	}
	return a, nil
}

// formatOf distinguishes a JWK set from certificates.
func formatOf(content []byte) Format {
	if bytes.HasPrefix(bytes.TrimSpace(content), []byte("{")) {
		return Formats["jwks"]
	}
	return Formats["pem"]
}

// vouch makes sure that content is what the server's keys have signed, that the
// Registry will accept their tokens by it, and where that is required that
// something that was trusted before vouches for it.
func (i *initContainer) vouch(ctx context.Context, content []byte) error {
	served, err := i.source.beside(statementFormat).Fetch(ctx)
	if status, ok := errors.AsType[*statusError](err); ok && status.code == http.StatusNotFound {
		if len(i.pins) > 0 {
			return nil // which says everything
		}
		return fmt.Errorf("check it against %s: %w: a Dockit older than this command does not have it, and a proxy may not pass it on; --fingerprint does without", statementFormat.path, err)
	}
	if err != nil {
		return fmt.Errorf("check it against %s: %w", statementFormat.path, err)
	}
	statement, err := pki.ParseStatement(served.Content)
	if err != nil {
		return err
	}
	if err := compareNames(i.source.format, content, statement); err != nil {
		return err
	}
	var own anchors
	if err := own.add(i.source.format, content); err != nil {
		return err
	}
	now := time.Now()
	if err := statement.Verify(own.certificates, own.keys, now); err != nil {
		return fmt.Errorf("a registry with it would refuse this server's tokens: %w: %w", err, errForeign)
	}
	if !i.vouching.required {
		return nil
	}
	before, err := i.vouching.anchors(i.source.format)
	if err != nil {
		return err
	}
	if err := statement.Verify(before.certificates, before.keys, now); err != nil {
		return &cli.PermanentError{Err: fmt.Errorf("nothing that is trusted already vouches for it (%w): it is another server's, or has changed more than once since; "+
			"fetch it by https, or compare it with the server's and name it with --fingerprint", err)}
	}
	return nil
}

// compareNames makes sure that content and a signed list name the same, part by
// part.
func compareNames(format Format, content []byte, statement *pki.Statement) error {
	parts, err := format.fingerprints(content)
	if err != nil {
		return err
	}
	var named []string
	if format.path == Formats["jwks"].path {
		for n := range statement.Keys.Keys {
			thumbprint, err := thumbprintOf(&statement.Keys.Keys[n])
			if err != nil {
				return err
			}
			named = append(named, thumbprint)
		}
	} else {
		for _, certificate := range statement.Certificates {
			named = append(named, pki.Fingerprint(certificate))
		}
	}
	for _, part := range parts {
		if !slices.Contains(named, part) {
			return fmt.Errorf("%s is not one that this server's keys have signed: %w", part, errForeign)
		}
	}
	for _, name := range named {
		if !slices.Contains(parts, name) {
			return fmt.Errorf("%s is missing, which this server's keys have signed: %w", name, errForeign)
		}
	}
	return nil
}
