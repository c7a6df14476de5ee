package state

import _ "embed"

//go:embed schema.json
var schema []byte

// Schema is the JSON Schema of documents, for editors and for checks before a
// document reaches Dockit. [Parse] checks more: that no name is used twice, and
// that every permission can be understood.
func Schema() []byte { return append([]byte(nil), schema...) }
