package idtoken

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/dockit-registry/dockit/internal/printable"
)

// maxDepth is how deep claims may be nested.
const maxDepth = 16

// parseObject reads a JSON object, numbers as [json.Number]. What other readers
// might understand in another way is an error: a name that stands twice, text that
// is not UTF-8.
func parseObject(document []byte) (map[string]any, error) {
	if !utf8.Valid(document) {
		return nil, errors.New("it is not UTF-8")
	}
	// The reader of tokens below forgives what this does not.
	if !json.Valid(document) {
		return nil, errors.New("it is not JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	value, err := parseValue(decoder, 0)
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("it is no JSON object")
	}
	return object, nil
}

func parseValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	delimiter, nested := token.(json.Delim)
	if !nested {
		return token, nil
	}
	if depth == maxDepth {
		return nil, fmt.Errorf("it is nested deeper than %d", maxDepth)
	}
	var value any
	if delimiter == '{' {
		value, err = parseMembers(decoder, depth+1)
	} else {
		value, err = parseElements(decoder, depth+1)
	}
	if err != nil {
		return nil, err
	}
	_, err = decoder.Token() // the end of it
	return value, err
}

func parseMembers(decoder *json.Decoder, depth int) (map[string]any, error) {
	object := make(map[string]any)
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if !ok {
			return nil, errors.New("a name is no text")
		}
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("%q stands twice", printable.Clip(printable.Line(name)))
		}
		if object[name], err = parseValue(decoder, depth); err != nil {
			return nil, err
		}
	}
	return object, nil
}

func parseElements(decoder *json.Decoder, depth int) ([]any, error) {
	list := []any{}
	for decoder.More() {
		value, err := parseValue(decoder, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, nil
}
