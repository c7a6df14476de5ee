// Command helm logs in to a registry, and pushes and pulls a chart, by the library that the helm command is made of.
// The command itself would bring all of Kubernetes' client along.
//
//	helm [-https] login HOST USERNAME PASSWORD
//	helm [-https] logout HOST
//	helm [-https] push REFERENCE [SIZE]
//	helm [-https] pull REFERENCE
//	helm [-https] push-file REFERENCE FILE
//	helm [-https] pull-file REFERENCE FILE
//	helm [-https] tags REPOSITORY
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"helm.sh/helm/v4/pkg/registry"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "helm:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	plain := len(args) == 0 || args[0] != "-https"
	var options []registry.ClientOption
	if plain {
		options = append(options, registry.ClientOptPlainHTTP())
	} else {
		args = args[1:]
	}
	client, err := registry.NewClient(options...)
	if err != nil {
		return err
	}
	switch {
	case len(args) == 4 && args[0] == "login":
		return client.Login(args[1], registry.LoginOptPlainText(plain), registry.LoginOptBasicAuth(args[2], args[3]))
	case len(args) == 2 && args[0] == "logout":
		return client.Logout(args[1])
	case len(args) == 2 && args[0] == "tags":
		tags, err := client.Tags(args[1])
		fmt.Println(strings.Join(tags, "\n"))
		return err
	case (len(args) == 2 || len(args) == 3) && args[0] == "push":
		size := 0
		if len(args) == 3 {
			if size, err = strconv.Atoi(args[2]); err != nil {
				return err
			}
		}
		chart, err := chart(size)
		if err != nil {
			return err
		}
		_, err = client.Push(chart, args[1])
		return err
	case len(args) == 3 && args[0] == "push-file":
		archive, err := os.ReadFile(args[2]) //nolint:gosec // a file that the test names
		if err != nil {
			return err
		}
		_, err = client.Push(archive, args[1])
		return err
	case len(args) == 3 && args[0] == "pull-file":
		pulled, err := client.Pull(args[1])
		if err != nil {
			return err
		}
		return os.WriteFile(args[2], pulled.Chart.Data, 0o600) //nolint:gosec // a file that the test names
	case len(args) == 2 && args[0] == "pull":
		_, err := client.Pull(args[1])
		return err
	default:
		return errors.New("use login, logout, push, push-file, pull, pull-file or tags")
	}
}

// chart is the archive of the chart app 1.0.0 with a file of that many bytes, which is another one each time.
func chart(size int) ([]byte, error) {
	const metadata = "apiVersion: v2\nname: app\nversion: 1.0.0\n"
	var archive bytes.Buffer
	zipped := gzip.NewWriter(&archive)
	files := tar.NewWriter(zipped)
	if err := files.WriteHeader(&tar.Header{Name: "app/Chart.yaml", Mode: 0o644, Size: int64(len(metadata))}); err != nil {
		return nil, err
	}
	if _, err := files.Write([]byte(metadata)); err != nil {
		return nil, err
	}
	content := make([]byte, size)
	_, _ = rand.Read(content) // it never fails
	if err := files.WriteHeader(&tar.Header{Name: "app/files/random", Mode: 0o644, Size: int64(size)}); err != nil {
		return nil, err
	}
	if _, err := files.Write(content); err != nil {
		return nil, err
	}
	if err := errors.Join(files.Close(), zipped.Close()); err != nil {
		return nil, err
	}
	return archive.Bytes(), nil
}
