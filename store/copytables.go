package store

import "strings"

// copiedTable is a table that [CopyAll] carries over. The columns are named by
// what they hold, because drivers disagree about the types of what they read.
type copiedTable struct {
	name string
	// key are the columns of the primary key.
	key string
	// filled is a condition on rows that no fresh migration makes.
	filled                 string
	integers, texts, blobs []string
}

// copiedTables are all tables of the schema in an order in which rows refer to
// earlier ones only. The tables of goose and write_lock belong to a database,
// and not to what is in it.
var copiedTables = []copiedTable{
	{
		name: "subjects", key: "id", filled: "id > 2 OR version > 1 OR disabled <> 0",
		integers: columns("id admin disabled version created_at updated_at password_expires_at"),
		texts:    columns("kind name password_hash password_made_by password_networks"),
	},
	{
		name: "memberships", key: "member_id, group_id", filled: anyRow,
		integers: columns("group_id member_id created_at"),
	},
	{
		name: "permissions", key: "subject_id, type, name", filled: anyRow,
		integers: columns("subject_id actions created_at updated_at"),
		texts:    columns("type name"),
	},
	{
		name: "signing_keys", key: "id", filled: anyRow,
		integers: columns("brought created_at active_from retired_at revoked_at"),
		texts:    columns("id purpose service issuer sealing"),
		blobs:    columns("certificate private_key mac"),
	},
	{
		name: "signing_keys_version", key: "id", filled: "number <> 0",
		integers: columns("id number"),
	},
	{
		name: "audit_entries", key: "sequence", filled: anyRow,
		integers: columns("sequence at"),
		texts:    columns("action actor address subject state_before state_after previous hash"),
	},
	{
		name: "audit_head", key: "id", filled: "sequence <> 0",
		integers: columns("id sequence"),
		texts:    columns("hash"),
	},
	{
		name: "audit_checkpoints", key: "number", filled: anyRow,
		integers: columns("number sequence"),
		texts:    columns("statement"),
	},
	{
		name: "access_tokens", key: "id", filled: anyRow,
		integers: columns("subject_id previous_until created_at expires_at rotated_at last_used_at"),
		texts:    columns("id name scopes networks last_used_address last_used_client made_by"),
		blobs:    columns("hash previous_hash"),
	},
	{
		name: "refresh_tokens", key: "id", filled: anyRow,
		integers: columns("subject_id created_at expires_at last_used_at"),
		texts:    columns("id service client address last_used_address last_used_client"),
		blobs:    columns("hash"),
	},
	{
		name: "login_failures", key: "id", filled: anyRow,
		integers: columns("id at"),
		texts:    columns("name network"),
	},
	{
		name: "login_networks", key: "subject_id, network", filled: anyRow,
		integers: columns("subject_id at"),
		texts:    columns("network"),
	},
	{
		name: "revision", key: "id", filled: "number <> 1",
		integers: columns("id number nonce"),
	},
	{
		name: "changes", key: "revision", filled: anyRow,
		integers: columns("revision subject_id nonce"),
	},
}

const anyRow = "1 = 1"

func columns(names string) []string { return strings.Fields(names) }

// columns are all columns, in the order of [copiedTable.row].
func (t *copiedTable) columns() []string {
	return append(append(append([]string(nil), t.integers...), t.texts...), t.blobs...)
}

// row makes what a row is scanned into.
func (t *copiedTable) row() []any {
	var row []any
	for range t.integers {
		row = append(row, new(int64))
	}
	for range t.texts {
		row = append(row, new(string))
	}
	for range t.blobs {
		row = append(row, new([]byte))
	}
	return row
}
