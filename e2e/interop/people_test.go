package main

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/cannot"
)

// TestWhatClientsSend has a recorder between Dockit and the clients that are there, and looks at what docs/protocol.md says of them.
func TestWhatClientsSend(t *testing.T) {
	p, clients := here(t)
	sent, err := record(t.Context(), clients, p, t.TempDir(), nil)
	require.NoError(t, err)
	for client, deeds := range map[string]map[string][]string{
		"crane": {
			"login": nil, // which stores what it is given
			"push":  {"GET Basic scope=repository:team/app:push,pull"}, "pull": {"GET Basic scope=repository:team/app:pull"},
			"catalog":        {"GET Basic scope=registry:catalog:*"},
			"identity-token": {"POST refresh_token client_id refresh_token scope=repository:team/again/app:pull"},
		},
		"skopeo": {
			"login": {"GET Basic account no scope"}, "wrong": {"GET Basic account no scope → 401"},
			"push": {"GET Basic account scope=repository:team/app:pull,push"}, "delete": {"GET Basic account scope=repository:team/app:*"},
			"identity-token": {"POST refresh_token chunked client_id refresh_token scope=repository:team/again/app:pull"},
		},
		"docker": {
			"login": {"GET Basic account client_id offline_token=true no scope"},
			"pull":  {"GET Basic account scope=repository:team/app:pull"},
		},
		"ctr": {
			"pull": {"POST password charset=utf-8 client_id password username scope=repository:team/app:pull (2×)"},
		},
	} {
		for deed, want := range deeds {
			if got, run := sent[client]; run {
				assert.Equal(t, want, got[deed], "%s: %s", client, deed)
			}
		}
	}
	for client, deeds := range sent {
		for deed, asked := range deeds {
			for _, one := range asked {
				assert.NotContains(t, one, faultText, "%s: %s", client, deed)
			}
		}
	}
}

// TestWhatPeopleAreTold has the clients that show what a server says show it in words that tell what happened.
func TestWhatPeopleAreTold(t *testing.T) {
	p, clients := here(t)
	said, err := listen(t.Context(), clients, p, t.TempDir(), nil)
	require.NoError(t, err)
	// What skopeo leaves out is in the table.
	silent := map[string]bool{"skopeo locked": true, "skopeo expired": true, "skopeo unknown-service": true}
	for _, o := range situations {
		for _, c := range clients {
			text := said[o.id][c.id]
			assert.NotContains(t, text, faultText, "%s: %s", c.id, o.title)
			if c.id == "crane" || c.id == "docker" || c.id == "skopeo" && !silent[c.id+" "+o.id] {
				assert.Regexp(t, o.tells, text, "%s: %s", c.id, o.title)
			}
		}
	}
}

// found are the programs, which are built once for all tests.
var found = sync.OnceValues(func() (programs, error) {
	return find(context.Background(), binFolder, func(name string) bool { return name == "crane" })
})

// here are the programs and the clients of the small tests: those that this machine has.
func here(t *testing.T) (programs, []*client) {
	t.Helper()
	p, err := found()
	require.NoError(t, err)
	p.short = t.TempDir()
	var clients []*client
	for _, c := range p.clients() {
		switch c.id {
		case "crane", "skopeo", "docker", "ctr":
			if c.absent != "" {
				cannot.Run(t, errors.New(c.id+": "+c.absent))
			}
			clients = append(clients, c)
		}
	}
	return p, clients
}
