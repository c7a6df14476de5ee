package registryclient

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

const (
	// maxList is how many elements of a list in a document are kept.
	maxList = 1000
	// maxAnnotations is how many of a set of annotations are kept.
	maxAnnotations = 100
)

// readJSON reads a document of at most so many bytes.
func readJSON(body io.Reader, most int64, into any) error {
	data, err := readAll(body, most)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%w: no JSON as expected: %w", ErrAnswer, err)
	}
	return nil
}

func readAll(body io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(bounded(body, most))
	return data, readError(err)
}

// bounded ends a body with an error when it is longer than so many bytes.
func bounded(body io.Reader, most int64) io.Reader {
	return http.MaxBytesReader(nil, io.NopCloser(body), most)
}

// readError says what a failed read means.
func readError(err error) error {
	var long *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &long):
		return fmt.Errorf("%w: its answer is longer than %d bytes", ErrAnswer, long.Limit)
	default:
		return fmt.Errorf("%w: its answer breaks off: %w", ErrAnswer, err)
	}
}

// readTexts reads the list of texts under a key of an object, without keeping the
// document. Each is handed to f, until that returns false.
func readTexts(body io.Reader, most int64, key string, f func(string) bool) error {
	d := json.NewDecoder(bounded(body, most))
	if err := expect(d, '{'); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return jsonError(err)
		}
		if name != key {
			if err := skip(d); err != nil {
				return err
			}
			continue
		}
		if more, err := texts(d, f); err != nil || !more {
			return err
		}
	}
	return expect(d, '}')
}

// texts reads one list, which may be null, and reports whether to go on.
func texts(d *json.Decoder, f func(string) bool) (bool, error) {
	first, err := d.Token()
	if err != nil {
		return false, jsonError(err)
	}
	if first == nil {
		return true, nil
	}
	if first != json.Delim('[') {
		return false, fmt.Errorf("%w: no list where one is expected", ErrAnswer)
	}
	for d.More() {
		element, err := d.Token()
		if err != nil {
			return false, jsonError(err)
		}
		text, ok := element.(string)
		if !ok {
			return false, fmt.Errorf("%w: a list of names has something else in it", ErrAnswer)
		}
		if !f(text) {
			return false, nil
		}
	}
	return true, expect(d, ']')
}

func expect(d *json.Decoder, want json.Delim) error {
	got, err := d.Token()
	if err != nil {
		return jsonError(err)
	}
	if got != want {
		return fmt.Errorf("%w: no JSON as expected", ErrAnswer)
	}
	return nil
}

// maxDepth is how deep the values of an answer may be nested: each level is memory, and
// 16 MiB of brackets would be half a gigabyte.
const maxDepth = 100

// skip passes over one value.
func skip(d *json.Decoder) error {
	for depth := 0; ; {
		t, err := d.Token()
		if err != nil {
			return jsonError(err)
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxDepth {
				return fmt.Errorf("%w: it is nested too deep", ErrAnswer)
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

func jsonError(err error) error {
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("%w: no JSON as expected: %w", ErrAnswer, err)
	}
	return readError(err)
}

// list is a list of a document, of which the first elements are kept.
type list[T any] []T

// UnmarshalJSON implements [json.Unmarshaler].
func (l *list[T]) UnmarshalJSON(data []byte) error {
	*l = nil
	d := json.NewDecoder(bytes.NewReader(data))
	if first, err := d.Token(); err != nil || first != json.Delim('[') {
		return err // null, or what is no list: nothing
	}
	for d.More() && len(*l) < maxList {
		var element T
		if err := d.Decode(&element); err != nil {
			return err
		}
		*l = append(*l, element)
	}
	return nil
}

// Annotation is one of the things that an image says of itself.
type Annotation struct{ Key, Value Text }

// Annotations are what an image says of itself, by key.
type Annotations []Annotation

// UnmarshalJSON implements [json.Unmarshaler].
func (a *Annotations) UnmarshalJSON(data []byte) error {
	*a = nil
	d := json.NewDecoder(bytes.NewReader(data))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return err
	}
	for d.More() && len(*a) < maxAnnotations {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, err := json.Marshal(key)
		if err != nil {
			return err
		}
		var one Annotation
		if err := one.Key.UnmarshalJSON(name); err != nil {
			return err
		}
		if err := d.Decode(&one.Value); err != nil {
			return err
		}
		*a = append(*a, one)
	}
	slices.SortStableFunc(*a, func(x, y Annotation) int { return strings.Compare(string(x.Key), string(y.Key)) })
	return nil
}

// Get is the annotation of a key, or nothing.
func (a Annotations) Get(key string) Text {
	for _, one := range a {
		if string(one.Key) == key {
			return one.Value
		}
	}
	return ""
}
