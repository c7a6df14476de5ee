package importer

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/internal/printable"
)

// eachField calls use for each field of a mapping. A field given twice is an
// error: which of both counts depends on the reader.
func eachField(n *yaml.Node, what string, use func(key string, keyNode, value *yaml.Node) error) error {
	n, err := resolved(n)
	if err != nil {
		return err
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("%w: line %d: %s must be fields with values", ErrInvalid, n.Line, what)
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].ShortTag() == "!!merge" {
			return fmt.Errorf("%w: line %d: %s: merge keys (<<) are not supported: write it out", ErrInvalid, n.Content[i].Line, what)
		}
		key, err := scalar(n.Content[i], what)
		if err != nil {
			return err
		}
		if first, twice := seen[key]; twice {
			return fmt.Errorf("%w: line %d: %s: %q is given twice, first in line %d", ErrInvalid, n.Content[i].Line, what, printable.Clip(key), first)
		}
		seen[key] = n.Content[i].Line
		value, err := resolved(n.Content[i+1])
		if err != nil {
			return err
		}
		if err := use(key, n.Content[i], value); err != nil {
			return err
		}
	}
	return nil
}

// resolved follows an alias to what it stands for, which holds no other alias.
func resolved(n *yaml.Node) (*yaml.Node, error) {
	if n.Kind != yaml.AliasNode {
		return n, nil
	}
	var deep func(n *yaml.Node) bool
	deep = func(n *yaml.Node) bool {
		return n.Kind == yaml.AliasNode || slices.ContainsFunc(n.Content, deep)
	}
	if deep(n.Alias) {
		return nil, fmt.Errorf("%w: line %d: an alias within an alias is not supported: write it out", ErrInvalid, n.Line)
	}
	return n.Alias, nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// scalar is a value as it is written, whatever it looks like.
func scalar(n *yaml.Node, what string) (string, error) {
	n, err := resolved(n)
	if err != nil {
		return "", err
	}
	if n.Kind != yaml.ScalarNode || isNull(n) || strings.Contains(n.Value, marker) {
		return "", fmt.Errorf("%w: line %d: %s must be text", ErrInvalid, n.Line, what)
	}
	return n.Value, nil
}

func scalars(n *yaml.Node, what string) ([]string, error) {
	n, err := resolved(n)
	if err != nil {
		return nil, err
	}
	if n.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("%w: line %d: %s must be a list", ErrInvalid, n.Line, what)
	}
	list := make([]string, len(n.Content))
	for i, item := range n.Content {
		if list[i], err = scalar(item, what); err != nil {
			return nil, err
		}
	}
	return list, nil
}
