package importer

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/internal/printable"
)

// maxDepth bounds how deep a configuration is looked for in other files.
const maxDepth = 12

// finder looks for configurations of docker_auth within other files, such as a
// ConfigMap or the values of a chart.
type finder struct {
	found []*yaml.Node
	where []string
}

// findDockerAuth finds the configuration in a file that is or holds one. where
// is empty when it is the file itself.
func findDockerAuth(data []byte) (root *yaml.Node, where string, err error) {
	documents, err := decodeAll(data)
	if err != nil {
		return nil, "", err
	}
	if len(documents) == 0 {
		return nil, "", fmt.Errorf("%w: it is empty: give a configuration of docker_auth", ErrInvalid)
	}
	if root = documents[0]; len(documents) == 1 && (root.Kind != yaml.MappingNode || field(root, "users") != nil || field(root, "acl") != nil) {
		return root, "", nil
	}
	var f finder
	for _, document := range documents {
		f.look(document, "", maxDepth)
	}
	switch len(f.found) {
	case 0:
		if isTemplate(data) {
			return nil, "", errTemplate
		}
		return nil, "", fmt.Errorf("%w: it has neither users nor an acl, nor does anything within it: give a configuration of docker_auth", ErrInvalid)
	case 1:
		return f.found[0], f.where[0], nil
	default:
		places := make([]string, len(f.found))
		for i, n := range f.found {
			places[i] = fmt.Sprintf("%s (line %d)", f.where[i], n.Line)
		}
		return nil, "", fmt.Errorf("%w: it holds several configurations: %s: save the one that is meant as a file of its own", ErrInvalid, strings.Join(places, ", "))
	}
}

// look finds what is or holds a configuration, at most so many levels down.
func (f *finder) look(n *yaml.Node, where string, levels int) {
	switch {
	case levels == 0:
	case n.Kind == yaml.MappingNode && isDockerAuth(n):
		f.found, f.where = append(f.found, n), append(f.where, strings.TrimPrefix(where, "."))
	case n.Kind == yaml.MappingNode:
		secret := field(n, "kind")
		for i := 0; i+1 < len(n.Content); i += 2 {
			value := n.Content[i+1]
			if n.Content[i].Value == "data" && secret != nil && secret.Value == "Secret" {
				decodeSecret(value)
			}
			f.look(value, where+"."+printable.Clip(n.Content[i].Value), levels-1)
		}
	case n.Kind == yaml.SequenceNode:
		for i, item := range n.Content {
			f.look(item, fmt.Sprintf("%s[%d]", where, i), levels-1)
		}
	case n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "acl:"):
		documents, err := decodeAll([]byte(n.Value))
		if err != nil {
			return
		}
		for _, document := range documents {
			moveTo(document, n)
			f.look(document, where, levels-1)
		}
	}
}

// isDockerAuth reports whether fields are those of a configuration.
func isDockerAuth(n *yaml.Node) bool {
	acl, users := field(n, "acl"), field(n, "users")
	return acl != nil && acl.Kind == yaml.SequenceNode ||
		users != nil && users.Kind == yaml.MappingNode && field(n, "token") != nil && field(n, "server") != nil
}

// field is the value of a field, or nil without it.
func field(n *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name && !isNull(n.Content[i+1]) {
			return n.Content[i+1]
		}
	}
	return nil
}

// decodeSecret replaces the values of a Secret by what they hold.
func decodeSecret(data *yaml.Node) {
	for _, value := range data.Content {
		if text, err := base64.StdEncoding.DecodeString(value.Value); err == nil {
			value.Value = string(text)
		}
	}
}

// moveTo gives everything in a document the line where it stands in the file,
// as far as that is known: a block keeps its lines.
func moveTo(document, text *yaml.Node) {
	if text.Style&yaml.LiteralStyle != 0 {
		document.Line += text.Line
	} else {
		document.Line = text.Line
	}
	for _, n := range document.Content {
		moveTo(n, text)
	}
}

// lineSyntax finds the line in an error of the YAML parser.
var lineSyntax = regexp.MustCompile(`line \d+`)

var errTemplate = fmt.Errorf("%w: it is a template: give what it becomes, for example by helm template", ErrInvalid)

func isTemplate(data []byte) bool { return bytes.Contains(data, []byte("{{")) }

// decodeAll reads the documents of a file.
func decodeAll(data []byte) ([]*yaml.Node, error) {
	var documents []*yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return documents, nil
		case err != nil && isTemplate(data):
			return nil, errTemplate
		case err != nil:
			return nil, fmt.Errorf("%w: it is no YAML: look at %s and the one before", ErrInvalid, cmp.Or(lineSyntax.FindString(err.Error()), "the first line"))
		}
		if root := document.Content[0]; !isNull(root) {
			documents = append(documents, root)
		}
	}
}
