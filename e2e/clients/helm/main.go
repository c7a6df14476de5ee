// Command helm logs in to a registry, and pushes and pulls a chart, by the library that the helm command is made of.
// The command itself would bring all of Kubernetes' client along.
//
//	helm login HOST USERNAME PASSWORD
//	helm push REFERENCE
//	helm pull REFERENCE
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"

	"helm.sh/helm/v4/pkg/registry"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "helm:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	client, err := registry.NewClient(registry.ClientOptPlainHTTP())
	if err != nil {
		return err
	}
	switch {
	case len(args) == 4 && args[0] == "login":
		return client.Login(args[1], registry.LoginOptPlainText(true), registry.LoginOptBasicAuth(args[2], args[3]))
	case len(args) == 2 && args[0] == "push":
		chart, err := chart()
		if err != nil {
			return err
		}
		_, err = client.Push(chart, args[1])
		return err
	case len(args) == 2 && args[0] == "pull":
		_, err := client.Pull(args[1])
		return err
	default:
		return errors.New("use login, push or pull")
	}
}

// chart is the archive of the chart app 1.0.0.
func chart() ([]byte, error) {
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
	if err := errors.Join(files.Close(), zipped.Close()); err != nil {
		return nil, err
	}
	return archive.Bytes(), nil
}
