package admin

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/state"
)

// maxFetches is how many issuers are asked at the same time.
const maxFetches = 4

// fetchNew asks the issuers of a plan for their keys that none are known of, and
// says which of them are away: they are trusted all the same.
func (a *API) fetchNew(ctx context.Context, plan state.Plan) []adminapi.AwayIssuer {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	var (
		mu   sync.Mutex
		away []adminapi.AwayIssuer
		all  sync.WaitGroup
	)
	room := make(chan struct{}, maxFetches)
	for _, change := range plan.Issuers {
		if change.Issuer == nil || change.Issuer.JWKS != "" || change.Issuer.Disabled {
			continue
		}
		all.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			if err := a.fetchUnknown(ctx, change.Name); err != nil {
				mu.Lock()
				defer mu.Unlock()
				away = append(away, adminapi.AwayIssuer{Issuer: change.Name, Why: a.problemOf(ctx, err).Detail})
			}
		})
	}
	all.Wait()
	slices.SortFunc(away, func(x, y adminapi.AwayIssuer) int { return cmp.Compare(x.Issuer, y.Issuer) })
	return away
}

// fetchUnknown asks an issuer for its keys, unless they are known.
func (a *API) fetchUnknown(ctx context.Context, name string) error {
	issuer, err := a.config.Store.Issuer(ctx, name)
	if err != nil {
		return err
	}
	kept, err := a.config.Store.IssuerKeys(ctx, issuer.ID)
	if err != nil || kept.Source == issuer.KeySource() {
		return err
	}
	keys, err := fetchKeys(ctx, issuer.Issuer)
	if err == nil {
		return a.config.Store.PutIssuerKeys(context.WithoutCancel(ctx), issuer.ID, keys)
	}
	if noted := a.config.Store.PutIssuerAway(context.WithoutCancel(ctx), issuer.ID, err.Error()); noted != nil {
		a.config.Logger.Error("cannot note that an issuer is away", zap.String("issuer", name), zap.Error(noted))
	}
	return err
}
