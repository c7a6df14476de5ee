package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
)

// kept is what one run leaves for the next.
type kept struct {
	Cells map[string]cell `json:"cells"`
	Said  messages        `json:"said,omitempty"`
	Sent  requests        `json:"sent,omitempty"`
}

// load reads what a run before kept. What failed is tried again.
func (r *report) load(file string) error {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var k kept
	if err := json.Unmarshal(content, &k); err != nil {
		return err
	}
	for key, c := range k.Cells {
		if c.Mark != failed {
			r.matrix.cells[key] = c
		}
	}
	r.said, r.sent = k.Said, k.Sent
	return nil
}

// save keeps everything for a later run, unless file is empty.
func (r *report) save(file string) error {
	if file == "" {
		return nil
	}
	r.matrix.mu.Lock()
	defer r.matrix.mu.Unlock()
	content, err := json.MarshalIndent(kept{r.matrix.cells, r.said, r.sent}, "", "\t")
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(file+".new", content, 0o600), os.Rename(file+".new", file))
}

// complete reports whether a run before has tried everything at a site.
func (m *matrix) complete(kind *siteKind) bool {
	for _, c := range m.clients {
		for _, o := range m.operations {
			if c.absent == "" && m.at(kind, c, o).Mark == "" {
				return false
			}
		}
	}
	return true
}
