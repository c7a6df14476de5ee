package adminapi

import (
	"time"

	"github.com/dockit-registry/dockit/audit"
)

// AuditEntry is one entry of the audit.
type AuditEntry struct {
	audit.Entry
}

// AuditHead names the newest entry of the audit.
type AuditHead struct {
	audit.Head
}

// AuditCheckpoint says where the audit was cut because of its age.
type AuditCheckpoint struct {
	Number    int64           `json:"number" doc:"Counts the checkpoints from 1."`
	Sequence  int64           `json:"sequence" doc:"The last entry that was cut. The audit begins after it."`
	Hash      string          `json:"hash" doc:"The hash of that entry, which the next one names as its previous."`
	Until     time.Time       `json:"until" doc:"When that entry was made."`
	Removed   int64           `json:"removed" doc:"How many entries were cut. None: the checkpoint before was signed anew, under another authority."`
	At        time.Time       `json:"at" doc:"When the audit was cut."`
	Statement audit.Statement `json:"statement" doc:"All that, with certificates and the digest of the statement before it, as a JWS by a key of Dockit."`
}
