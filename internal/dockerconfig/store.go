package dockerconfig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/dockit-registry/dockit/internal/atomicfile"
)

// Store keeps a login for a registry, in the place of any other, where
// `docker login` does: with the credential helper that docker's file names, or
// the platform's where the file knows no logins yet, and else in that file. It
// returns where that is. docker knows no namespaces: that of the host is passed
// over.
func Store(ctx context.Context, host Host, l Login) (where string, err error) {
	d, err := openDocument()
	if err != nil {
		return "", fmt.Errorf("store the login for %s: %w", host.Host(), err)
	}
	where, err = d.store(ctx, string(host.Host()), l)
	if err != nil {
		return "", fmt.Errorf("store the login for %s: %w", host.Host(), err)
	}
	return where, nil
}

// Stored is what Store keeps for a registry, and is empty without any. Other than
// [Find] it looks nowhere else.
func Stored(ctx context.Context, host Host) (Login, error) {
	d, err := openDocument()
	if err != nil {
		return Login{}, fmt.Errorf("read what docker stored for %s: %w", host.Host(), err)
	}
	found, err := d.find(ctx, string(host.Host()))
	if err != nil {
		return Login{}, fmt.Errorf("read what docker stored for %s: %w", host.Host(), err)
	}
	return found, nil
}

// Hosts are the registries that Store keeps logins for, in order.
func Hosts() ([]string, error) {
	d, err := openDocument()
	if err != nil {
		return nil, fmt.Errorf("read what docker stored: %w", err)
	}
	return slices.Sorted(maps.Keys(d.auths)), nil
}

// Erase removes what Store keeps for a registry, and reports whether there was
// anything.
func Erase(ctx context.Context, host Host) (bool, error) {
	d, err := openDocument()
	if err != nil {
		return false, fmt.Errorf("erase the login for %s: %w", host.Host(), err)
	}
	found, err := d.erase(ctx, string(host.Host()))
	if err != nil {
		return false, fmt.Errorf("erase the login for %s: %w", host.Host(), err)
	}
	return found, nil
}

// document is docker's file with all that others keep in it.
type document struct {
	path string
	*config
	fields, auths map[string]json.RawMessage
}

// openDocument reads docker's file, which need not exist.
func openDocument() (*document, error) {
	path, err := dockerFile()
	if err != nil {
		return nil, err
	}
	d := &document{path: path, config: new(config), fields: map[string]json.RawMessage{}, auths: map[string]json.RawMessage{}}
	content, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(content)) == 0:
		return d, nil
	case err != nil:
		return nil, err
	}
	// All of it has to be understood before it is written again.
	err = json.Unmarshal(content, d.config)
	if err == nil {
		err = decode(content, d.fields)
	}
	if auths, ok := d.fields["auths"]; ok && err == nil {
		err = decode(auths, d.auths)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: mend it first", path, err)
	}
	return d, nil
}

// decode adds what a JSON object holds. null is an empty one.
func decode(content []byte, to map[string]json.RawMessage) error {
	var found map[string]json.RawMessage
	err := json.Unmarshal(content, &found)
	maps.Copy(to, found)
	return err
}

func (d *document) store(ctx context.Context, key string, l Login) (where string, err error) {
	if d.Store == "" && len(d.Helpers) == 0 && len(d.auths) == 0 {
		d.Store = string(platformHelper())
		if d.Store != "" {
			if d.fields["credsStore"], err = encode(d.Store); err != nil {
				return "", err
			}
		}
	}
	where, kept := d.path, entryOf(l)
	if h := d.helper(key); h != "" {
		if err := h.store(ctx, helperKey(key), l); err != nil {
			return "", err
		}
		// The file says who has logged in where, and nothing secret.
		where, kept = "credential helper "+string(h), entry{}
	}
	if d.auths[helperKey(key)], err = encode(kept); err != nil {
		return "", err
	}
	return where, d.write()
}

func (d *document) erase(ctx context.Context, key string) (found bool, err error) {
	if h := d.helper(key); h != "" {
		kept, err := h.get(ctx, helperKey(key))
		if err != nil {
			return false, err
		}
		if found = kept.Secret != ""; found {
			if err := h.erase(ctx, helperKey(key)); err != nil {
				return false, err
			}
		}
	}
	before := len(d.auths)
	for stored := range d.auths {
		if stored == key || stored == helperKey(key) || hostOfAddress(stored) == key {
			delete(d.auths, stored)
		}
	}
	if len(d.auths) == before {
		return found, nil
	}
	return true, d.write()
}

// write replaces the file in one step. Its owner alone can read it, and a link to
// it stays one.
func (d *document) write() (err error) {
	if d.fields["auths"], err = encode(d.auths); err != nil {
		return err
	}
	content, err := encode(d.fields)
	if err != nil {
		return err
	}
	path := d.path
	if linked, err := filepath.EvalSymlinks(path); err == nil {
		path = linked
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	atomicfile.RemoveLeftovers(path)
	file, err := atomicfile.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Discard()) }()
	if _, err := file.Write(content); err != nil {
		return err
	}
	keepOwner(path, file.File)
	return file.Commit(true)
}

// encode writes JSON as docker does, with tabs, and with <, > and & as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "\t")
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return b.Bytes(), nil
}
