package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"

	node "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// printableYAML writes a value as [json.Marshal] understands it in YAML, with escapes for
// what is not shown as what it is. Where there is some, all texts stand in double
// quotes.
//
// Two libraries write it: of long texts, the one folds lines, and the other cannot;
// and only the other has nodes, by which texts keep their quotes.
func printableYAML(v any) ([]byte, error) {
	document, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	document = escapeYAML(document) // raw, some of it is no YAML
	plain, err := yaml.JSONToYAML(document)
	if err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	if bytes.IndexFunc(plain, hidden) < 0 {
		return plain, nil
	}
	var root node.Node
	if err := node.Unmarshal(document, &root); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	restyle(&root)
	var b bytes.Buffer
	encoder := node.NewEncoder(&b)
	const indent = 2
	encoder.SetIndent(indent)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(&root); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return escapeYAML(b.Bytes()), nil
}

// hidden reports whether a rune of a document is not shown as what it is. Bytes
// that are no text are.
func hidden(r rune) bool { return r != '\n' && r != utf8.RuneError && !unicode.IsPrint(r) }

// restyle makes blocks of JSON. Texts stay in double quotes, where escapes are
// known, and where none is taken for something else.
func restyle(n *node.Node) {
	if n.Kind != node.ScalarNode {
		n.Style = 0
	}
	for _, child := range n.Content {
		restyle(child)
	}
}

// escapeYAML escapes hidden runes, which stand within double quotes only.
func escapeYAML(document []byte) []byte {
	out := make([]byte, 0, len(document))
	for _, r := range string(document) {
		switch {
		case !hidden(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			out = fmt.Appendf(out, `\U%08x`, r)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
