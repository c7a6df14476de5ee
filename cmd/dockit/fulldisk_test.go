package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/subject"
)

// TestFullDisk fills the disk under a server: changes are refused in words,
// tokens are issued, nothing acknowledged is lost, and all goes on when there
// is space again.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t)
	path := filepath.Join(disk, "dockit.sqlite")
	dir := t.TempDir()
	p := startKilled(t, dir, "--sql-dsn", path, "--root-user", "admin", "--root-password", badStoragePassword)
	c := p.client(t, badStoragePassword)
	admin := subject.Ref{Kind: subject.User, Name: "admin"}
	issued, err := c.CreateAccessToken(t.Context(), admin, adminapi.NewAccessToken{Name: "test"})
	require.NoError(t, err)
	want := map[string]bool{}
	refused := fillUp(t, disk, func(i int) error {
		name := fmt.Sprintf("g-%d", i)
		_, err := c.CreateRobot(t.Context(), adminapi.NewSubject{Name: name})
		if err == nil {
			want["robot:"+name] = true
		}
		return err
	})
	wantStorageProblem(t, refused, "the disk with the database is full")
	for password, status := range map[string]int{badStoragePassword: 200, issued.Token: 200} {
		getTokenWith(t, p.base, password, status)
	}
	resp, err := http.Get(p.base + "/readyz")
	require.NoError(t, err, "not ready to issue tokens: %v", resp)
	assert.Equal(t, http.StatusOK, resp.StatusCode, "not ready to issue tokens: %v", resp)
	require.NoError(t, os.Remove(filepath.Join(disk, "filler")))
	_, err = c.CreateRobot(t.Context(), adminapi.NewSubject{Name: "g-after"})
	require.NoError(t, err, "with space again")
	want["robot:g-after"] = true
	p.kill()
	h := &crashes{t: t, facts: want}
	startKilled(t, dir, "--sql-dsn", path)
	checkDatabase(t, path)
	h.compare(readFacts(t, path, "g"))
}

// smallDisk mounts a file system of a few megabytes.
func smallDisk(t *testing.T) string {
	t.Helper()
	disk := t.TempDir()
	if output, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", disk).CombinedOutput(); err != nil {
		missing(t, "a small disk cannot be mounted: %v: %s", err, output)
	}
	t.Cleanup(func() {
		output, err := exec.Command("umount", "--lazy", disk).CombinedOutput()
		assert.NoError(t, err, "umount: %s", output)
	})
	return disk
}

// fillUp fills a disk, and then writes until that is refused.
func fillUp(t *testing.T, disk string, write func(i int) error) error {
	t.Helper()
	filler, err := os.Create(filepath.Join(disk, "filler"))
	require.NoError(t, err)
	defer filler.Close()
	for i := range 10_000 {
		for {
			_, err := filler.Write(make([]byte, 4096))
			if errors.Is(err, syscall.ENOSPC) {
				break
			}
			require.NoError(t, err)
		}
		if err := write(i); err != nil {
			return err
		}
	}
	t.Fatal("the disk does not get full")
	return nil
}

// getTokenWith asks for a registry token as the user admin.
func getTokenWith(t *testing.T, base, password string, status int) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, base+"/v2/token?service=registry&scope=repository:team/app:push", nil)
	require.NoError(t, err)
	req.SetBasicAuth("admin", password)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	var answer struct{ Token, Error string }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	assert.Equal(t, status, resp.StatusCode, "token: %+v", answer.Error)
	assert.Equal(t, answer.Token != "", status == http.StatusOK, "token: %+v", answer.Error)
}
