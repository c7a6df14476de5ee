package page

import (
	"net/http"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
)

// homeData is what the start shows.
type homeData struct {
	Hosts       []string
	Permissions []adminapi.EffectivePermission
	// More is set when there are more permissions than are shown.
	More bool
}

func showHome(v *frame.Visit) error {
	var list adminapi.List[adminapi.EffectivePermission]
	if err := v.API(http.MethodGet, v.Own("effective-permissions")+"?limit=20", nil, &list); err != nil {
		return err
	}
	return v.Render("home", "Start", homeData{Hosts: v.RegistryHosts(), Permissions: list.Items, More: list.NextCursor != ""})
}
