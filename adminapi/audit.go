package adminapi

import "github.com/dockit-registry/dockit/audit"

// AuditEntry is one entry of the audit.
type AuditEntry struct {
	audit.Entry
}

// AuditHead names the newest entry of the audit.
type AuditHead struct {
	audit.Head
}
