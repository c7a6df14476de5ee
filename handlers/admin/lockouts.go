package admin

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/netip"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/subject"
)

type lockoutsOutput struct {
	Body adminapi.List[adminapi.Lockout]
}

type clearLockoutInput struct {
	NameInput
	Network string `query:"network" maxLength:"64" example:"192.0.2.1/32" doc:"Only this address prefix, as it is listed. Default: everywhere."`
}

type clearedOutput struct {
	Body adminapi.ClearedLockouts
}

func (a *API) registerLockouts(api huma.API) {
	huma.Register(api, operation(api, "list-lockouts", http.MethodGet, "/lockouts", "List from where wrong passwords came lately, and who is locked out there, the latest first", http.StatusOK), a.listLockouts)
	for _, kind := range []subject.Kind{subject.User, subject.Robot} {
		huma.Register(api, operation(api, "clear-lockouts-of-"+string(kind), http.MethodDelete, "/"+kind.Plural()+"/{name}/lockouts", "Forget the wrong passwords for a "+string(kind), http.StatusOK),
			func(ctx context.Context, in *clearLockoutInput) (*clearedOutput, error) {
				return a.clearLockouts(ctx, subject.Ref{Kind: kind, Name: in.Name}, in.Network)
			})
	}
}

// listLockouts pages through what is computed for every page: lockouts are few
// unless there is an attack, and short-lived.
func (a *API) listLockouts(ctx context.Context, in *PageInput) (*lockoutsOutput, error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	lockouts, err := a.config.Auth.Lockouts(ctx)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	for len(lockouts) > 0 && page.After != "" && lockoutOrder(lockouts[0]) <= page.After {
		lockouts = lockouts[1:]
	}
	return &lockoutsOutput{list(*in, lockouts, lockoutOf, lockoutOrder)}, nil
}

// lockoutOrder puts the latest first, as the list is.
func lockoutOrder(l auth.Lockout) string {
	return fmt.Sprintf("%020d %s %s", math.MaxInt64-l.Last.UnixMicro(), l.Username, l.Network)
}

func lockoutOf(l auth.Lockout) adminapi.Lockout {
	return adminapi.Lockout{Username: l.Username, Network: l.Network, Failures: l.Failures, LastAt: l.Last, Until: l.Until}
}

func (a *API) clearLockouts(ctx context.Context, owner subject.Ref, network string) (*clearedOutput, error) {
	if network != "" {
		prefix, err := netip.ParsePrefix(network)
		if err != nil {
			return nil, problem(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "the network is no address prefix: give it as it is listed, such as 192.0.2.1/32")
		}
		network = prefix.String()
	}
	cleared, err := a.config.Auth.ClearLockout(ctx, owner, network)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return &clearedOutput{adminapi.ClearedLockouts{Failures: cleared}}, nil
}
