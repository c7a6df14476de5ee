package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/dockit-registry/dockit/e2e/internal/issuer"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

const (
	imageFile = "image.tar"
	service   = "registry"
)

// demo is the story: each of its methods is a chapter.
type demo struct {
	shell *shell

	// dockit is the server's base URL, host the registry's address.
	dockit, host string

	// alice and bob are the passwords of the two users.
	alice, bob string

	// gitlab signs the tokens of jobs.
	gitlab *issuer.Issuer
}

func (d *demo) startDockit(ctx context.Context) error {
	p, err := port.Free(ctx)
	if err != nil {
		return err
	}
	address := port.Localhost(p)
	d.dockit = "http://" + address

	d.shell.say("1. Start Dockit. It makes its database and its keys by itself.")
	d.shell.export("DOCKIT_ROOT_USER=admin", "DOCKIT_ROOT_PASSWORD="+rand.Text())
	server, err := d.shell.start("dockit api-server --listen " + address)
	if err != nil {
		return err
	}
	return server.WaitReady(ctx, http.DefaultClient, d.dockit+"/readyz", http.StatusOK)
}

func (d *demo) startRegistry(ctx context.Context) error {
	d.shell.say("2. Start a registry that asks Dockit for every right. It trusts the certificates that\n   init-container fetches, and needs no restart when keys change.")
	d.shell.export("DOCKIT_BASE_URL=" + d.dockit)
	const bundle = "bundle.pem"
	if err := d.shell.run(ctx, "dockit init-container "+bundle); err != nil {
		return err
	}
	config := registry.Config{
		Dir:            d.shell.folder,
		Realm:          d.dockit + "/v2/token",
		Service:        service,
		RootCertBundle: bundle,
	}
	file, err := config.Prepare(ctx)
	if err != nil {
		return err
	}
	d.host = config.Host()
	d.shell.export(config.Environment()...)
	server, err := d.shell.start("registry serve " + filepath.Base(file))
	if err != nil {
		return err
	}
	return (&registry.Registry{Process: server, Host: d.host}).WaitReady(ctx)
}

func (d *demo) manage(ctx context.Context) error {
	d.alice, d.bob = rand.Text(), rand.Text()
	page := d.dockit + "/dockit/"
	if err := isPage(ctx, page); err != nil {
		return err
	}
	d.shell.say("3. Two users, a group, and who may do what. In a browser: %s", page)
	d.shell.export("DOCKIT_USERNAME=admin", "DOCKIT_PASSWORD="+d.shell.value("DOCKIT_ROOT_PASSWORD"))
	return d.shell.runAll(ctx,
		fmt.Sprintf("printf %%s %s | dockit rbac add user:alice --password-stdin", d.alice),
		fmt.Sprintf("printf %%s %s | dockit rbac add user:bob --password-stdin", d.bob),
		"dockit rbac add group:dev",
		"dockit rbac add-member group:dev user:alice",
		"dockit rbac grant group:dev namespace:team:push",
		"dockit rbac grant group:dev 'repository:public/*:push'",
		"dockit rbac grant user:bob repository:team/app:pull",
		"dockit rbac grant user:anonymous 'repository:public/*:pull'",
		"dockit rbac permissions group:dev",
	)
}

func (d *demo) memberPushes(ctx context.Context) error {
	d.shell.say("4. alice is in the group dev: she pushes.")
	return d.shell.runAll(ctx,
		fmt.Sprintf("printf %%s %s | crane auth login %s --username alice --password-stdin", d.alice, d.host),
		fmt.Sprintf("crane push %s %s/team/app:1", imageFile, d.host),
		fmt.Sprintf("crane push %s %s/public/hello:1", imageFile, d.host),
	)
}

func (d *demo) readerPulls(ctx context.Context) error {
	d.shell.say("5. bob may only pull: his push is refused.")
	if err := d.shell.runAll(ctx,
		fmt.Sprintf("printf %%s %s | crane auth login %s --username bob --password-stdin", d.bob, d.host),
		fmt.Sprintf("crane pull %s/team/app:1 pulled-by-bob.tar", d.host),
	); err != nil {
		return err
	}
	if err := d.shell.refused(ctx, fmt.Sprintf("crane push %s %s/team/app:2", imageFile, d.host)); err != nil {
		return err
	}
	return d.shell.refused(ctx, "dockit rbac can-i user:bob push team/app")
}

func (d *demo) anonymous(ctx context.Context) error {
	d.shell.say("6. Without credentials everybody pulls what is public, and nothing else.")
	if err := d.shell.runAll(ctx,
		"crane auth logout "+d.host,
		fmt.Sprintf("crane pull %s/public/hello:1 pulled-by-anonymous.tar", d.host),
	); err != nil {
		return err
	}
	return d.shell.refused(ctx, fmt.Sprintf("crane pull %s/team/app:1 stolen.tar", d.host))
}

func (d *demo) jobPushes(ctx context.Context) (err error) {
	if d.gitlab, err = issuer.Start(ctx); err != nil {
		return err
	}
	d.shell.say("7. A CI job has no password: GitLab, which this demo plays, signs a token that says which project\n   and branch it is of. That stands for the robot ci; the token of a fork stands for nobody.")
	for name, claims := range map[string]map[string]any{"job.jwt": nil, "fork.jwt": {"project_id": "66", "project_path": "mallory/app"}} {
		token, err := d.gitlab.Sign(issuer.Token{Audience: service, Claims: claims})
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(d.shell.folder, name), []byte(token), 0o600); err != nil {
			return err
		}
	}
	if err := d.shell.runAll(ctx,
		"dockit rbac add robot:ci",
		"dockit rbac grant robot:ci namespace:team:push",
		"dockit rbac issuer add gitlab --kind gitlab --url "+d.gitlab.URL,
		"dockit rbac binding add main --issuer gitlab --robot robot:ci --claim project_id=20 --claim ref_protected=true",
		fmt.Sprintf("dockit login %s --token-file job.jwt", d.host),
		fmt.Sprintf("crane push %s %s/team/app:2", imageFile, d.host),
	); err != nil {
		return err
	}
	return d.shell.refused(ctx, fmt.Sprintf("dockit login %s --token-file fork.jwt", d.host))
}

func (d *demo) keyChanges(ctx context.Context) error {
	d.shell.say("8. The key that signs changes between two pulls: the registry runs on, and the job with it,\n   until its login ends.")
	if err := d.shell.runAll(ctx,
		fmt.Sprintf("crane pull %s/team/app:2 before.tar", d.host),
		"dockit rbac pki rotate",
		fmt.Sprintf("crane pull %s/team/app:2 after.tar", d.host),
		"dockit logout "+d.host,
	); err != nil {
		return err
	}
	return d.shell.refused(ctx, fmt.Sprintf("crane pull %s/team/app:2 late.tar", d.host))
}

// end sums up.
func (d *demo) end() {
	d.shell.say("All %d commands did what they should.", d.shell.ran)
}

// invite says what to try while the servers stay up.
func (d *demo) invite() {
	fmt.Fprintf(d.shell.out, `The registry stays up at %[1]s until Ctrl-C. Try, in another terminal:

  docker login %[1]s --username alice    # password: %[2]s
  docker login %[1]s --username bob      # password: %[3]s
  docker pull %[1]s/public/hello:1
`, d.host, d.alice, d.bob)
	fmt.Fprintf(d.shell.out, "\nUsers and rights in a browser: %s/dockit/    # admin, password: %s\n", d.dockit, d.shell.value("DOCKIT_ROOT_PASSWORD"))
}

// isPage returns an error unless there is something for a browser.
func isPage(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/html") {
		return fmt.Errorf("%s is no page: %s, %q", url, response.Status, kind)
	}
	return nil
}
