package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/pki"
)

type pkiOutput struct {
	Body adminapi.PKI
}

type keysOutput struct {
	Body adminapi.List[adminapi.Key]
}

type rotationOutput struct {
	Body adminapi.Rotation
}

type rotateInput struct {
	Body *adminapi.RotationRequest
}

type rotateAuthorityInput struct {
	Body *adminapi.AuthorityRotationRequest
}

type keyInput struct {
	ID string `path:"id" maxLength:"128" doc:"The id of the key."`
}

func (a *API) registerKeys(api huma.API) {
	huma.Register(api, operation(api, "get-pki", http.MethodGet, "/pki", "Show what registries have to be configured with", http.StatusOK), a.showPKI)
	huma.Register(api, operation(api, "list-keys", http.MethodGet, "/pki/keys", "List the keys that sign tokens, and the authorities above them, oldest first", http.StatusOK), a.listKeys)
	huma.Register(api, operation(api, "rotate-keys", http.MethodPost, "/pki/rotate", "Replace keys that sign tokens now", http.StatusOK), a.rotateKeys)
	huma.Register(api, operation(api, "rotate-authority", http.MethodPost, "/pki/rotate-ca", "Switch to the next certificate authority, and make the one after it", http.StatusOK), a.rotateAuthority)
	huma.Register(api, operation(api, "revoke-key", http.MethodPost, "/pki/keys/{id}/revoke", "Declare a key unfit for use, and replace it where it is in use", http.StatusOK), a.revokeKey)
}

func (a *API) showPKI(_ context.Context, _ *struct{}) (*pkiOutput, error) {
	out := &pkiOutput{adminapi.PKI{
		Issuer:   a.config.Issuer,
		Services: make([]adminapi.Service, len(a.config.Services)),
		Time:     a.config.Store.Now().UTC(),
	}}
	for i, service := range a.config.Services {
		out.Body.Services[i] = adminapi.Service{
			Name:     service.Name,
			Profile:  string(service.Profile),
			TokenTTL: int(service.TokenTTL / time.Second),
			Bundle:   fingerprints(a.config.Ring.Bundle(service.Name)),
		}
	}
	return out, nil
}

func fingerprints(bundle []byte) []string {
	all := []string{}
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		sum := sha256.Sum256(block.Bytes)
		all = append(all, hex.EncodeToString(sum[:]))
	}
	return all
}

// listKeys pages through what the ring holds in memory.
func (a *API) listKeys(_ context.Context, in *PageInput) (*keysOutput, error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	keys := a.config.Ring.Keys()
	slices.SortStableFunc(keys, func(x, y pki.KeyInfo) int { return strings.Compare(keyOrder(x), keyOrder(y)) })
	for len(keys) > 0 && keyOrder(keys[0]) <= page.After {
		keys = keys[1:]
	}
	return &keysOutput{list(*in, keys, keyOf, keyOrder)}, nil
}

// keyOrder puts the oldest key first.
func keyOrder(k pki.KeyInfo) string { return fmt.Sprintf("%020d %s", k.CreatedAt.UnixMicro(), k.ID) }

func (a *API) rotateKeys(ctx context.Context, in *rotateInput) (*rotationOutput, error) {
	service := ""
	if in.Body != nil {
		service = in.Body.Service
	}
	if err := a.passwordAgain(ctx); err != nil {
		return nil, err
	}
	if service != "" && !slices.ContainsFunc(a.config.Services, func(s handlers.Service) bool { return s.Name == service }) {
		return nil, problem(http.StatusNotFound, adminapi.CodeNotFound, "no such service: use one that is configured")
	}
	return a.rotationOutput(ctx, audit.RotateKeys, "rotated keys", zap.String("service", service))(a.config.Ring.Rotate(ctx, service))
}

func (a *API) rotateAuthority(ctx context.Context, in *rotateAuthorityInput) (*rotationOutput, error) {
	if err := a.passwordAgain(ctx); err != nil {
		return nil, err
	}
	force := in.Body != nil && in.Body.Force
	return a.rotationOutput(ctx, audit.RotateAuthority, "switched the certificate authority", zap.Bool("force", force))(a.config.Ring.RotateAuthority(ctx, force))
}

func (a *API) revokeKey(ctx context.Context, in *keyInput) (*rotationOutput, error) {
	if err := a.passwordAgain(ctx); err != nil {
		return nil, err
	}
	return a.rotationOutput(ctx, audit.RevokeKey, "revoked a key", zap.String("kid", in.ID))(a.config.Ring.Revoke(ctx, in.ID))
}

// rotationOutput makes the answer from what the ring returns, and writes who
// asked for it to the log and the audit.
func (a *API) rotationOutput(ctx context.Context, action audit.Action, done string, field zap.Field) func(pki.Rotation, error) (*rotationOutput, error) {
	return func(r pki.Rotation, err error) (*rotationOutput, error) {
		if err != nil {
			return nil, a.problemOf(ctx, err)
		}
		by := callerOf(ctx)
		a.config.Logger.Info(done, field, zap.Stringer("by", by.Ref), zap.String("client_ip", by.IP))
		a.recordRotation(ctx, action, r)
		out := &rotationOutput{adminapi.Rotation{
			Keys:          make([]adminapi.Key, len(r.Keys)),
			Reload:        append([]string{}, r.Reload...),
			ReloadNow:     r.ReloadNow,
			AcceptedUntil: r.AcceptedUntil,
		}}
		for i, key := range r.Keys {
			out.Body.Keys[i] = keyOf(key)
		}
		return out, nil
	}
}

// recordRotation writes to the audit which keys came and went.
func (a *API) recordRotation(ctx context.Context, action audit.Action, r pki.Rotation) {
	ids := make([]string, len(r.Keys))
	for i, key := range r.Keys {
		ids[i] = key.ID
	}
	by := callerOf(ctx)
	after, err := json.Marshal(map[string][]string{"keys": ids})
	if err != nil {
		a.config.Logger.Error("cannot write to the audit", zap.Error(err))
		return
	}
	a.recordEvent(ctx, audit.Event{Action: action, Actor: audit.NameOf(by.Ref), Address: by.IP, After: after})
}

func keyOf(k pki.KeyInfo) adminapi.Key {
	return adminapi.Key{
		ID:          k.ID,
		Purpose:     string(k.Purpose),
		Service:     k.Service,
		State:       string(k.State),
		External:    k.External,
		Brought:     k.External, //nolint:staticcheck // for clients that know no other name
		Sealed:      k.Sealed,
		Issuer:      k.Issuer,
		Subject:     k.Subject,
		Fingerprint: k.Fingerprint,
		Algorithm:   k.Algorithm,
		NotBefore:   k.NotBefore,
		NotAfter:    k.NotAfter,
		CreatedAt:   k.CreatedAt,
		ActiveFrom:  k.ActiveFrom,
		RetiredAt:   k.RetiredAt,
		RevokedAt:   k.RevokedAt,
	}
}
