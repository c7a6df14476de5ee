package dockit

import (
	"encoding/json"
	"reflect"

	"github.com/caddyserver/caddy/v2"
)

// surroundings are what the app looks at of the configuration around it, to
// warn of what would hurt it.
type surroundings struct {
	// adminDisabled and adminListen say whether and where Caddy's admin endpoint
	// listens; an empty address is Caddy's default.
	adminDisabled bool
	adminListen   string
	// http is the configuration of the HTTP app, nil without one.
	http json.RawMessage
}

// surroundingsOf reads them while the app is provisioned: afterwards Caddy
// forgets the HTTP app's. Caddy has no other way for a module to see more of the
// configuration than its own part. What is not found is left out.
func surroundingsOf(ctx caddy.Context) (s surroundings, found bool) {
	config := reflect.ValueOf(ctx).FieldByName("cfg")
	if config.Kind() != reflect.Pointer || config.IsNil() {
		return s, false
	}
	apps := config.Elem().FieldByName("AppsRaw")
	if apps.Kind() == reflect.Map {
		for names := apps.MapRange(); names.Next(); {
			if value := names.Value(); names.Key().String() == "http" && value.Kind() == reflect.Slice {
				s.http = value.Bytes()
			}
		}
	}
	admin := config.Elem().FieldByName("Admin")
	if admin.Kind() != reflect.Pointer {
		return s, false
	}
	if admin.IsNil() {
		return s, true
	}
	disabled, listen := admin.Elem().FieldByName("Disabled"), admin.Elem().FieldByName("Listen")
	if disabled.Kind() != reflect.Bool || listen.Kind() != reflect.String {
		return s, false
	}
	s.adminDisabled, s.adminListen = disabled.Bool(), listen.String()
	return s, true
}
