package adminapi

import (
	"github.com/dockit-registry/dockit/state"
)

// Plan is what a state document would change, or has changed.
type Plan struct {
	Changes []state.Change `json:"changes" nullable:"false" doc:"What changes of each subject, users before robots before groups."`
	Created int            `json:"created" doc:"How many subjects are made."`
	Updated int            `json:"updated" doc:"How many subjects are changed."`
	Removed int            `json:"removed" doc:"How many subjects are removed."`
}
