package main

// storyOfPage says how the commands of a page are run.
type storyOfPage struct {
	// why nothing of the page is run here, and what runs it elsewhere.
	why string
	// withoutServer keeps a server from being started before the page's first command.
	withoutServer bool
	// before runs first: what somebody who reads the page has already.
	before string
	// files are what they have in their folder.
	files map[string]string
	// instead is what stands for what the page leaves open, such as an id.
	instead [][2]string
	// servesAt is where servers of the page listen, when a command says.
	servesAt string
	// notRun are commands that nothing here can run, by how they begin, and why.
	notRun []notRun
	// fails are commands that end with another exit code than 0, as the page says.
	fails []failure
}

type notRun struct{ command, why string }

type failure struct {
	command string
	code    int
}

// Reasons that several pages have.
const (
	noRegistry = "takes a registry: TestRegistries and TestClients log in to real ones"
	noBuild    = "builds a Caddy: TestXCaddy does, from this checkout"
	noCluster  = "takes a cluster: TestKubernetesExample runs the same processes"
	noCompose  = "takes a docker engine: TestComposeExample runs the services of the file"
)

// password stands for what the pages leave out.
var password = [2]string{"DOCKIT_PASSWORD=...", "DOCKIT_PASSWORD=" + documentedPassword}

// stories are those of all pages that need one.
var stories = map[string]storyOfPage{
	"README.md": {
		withoutServer: true,
		instead:       [][2]string{password},
		notRun: []notRun{
			{"git clone", "gets what this test is in"},
			{"make demo", "is a story of its own: TestDemo"},
			{"make test", "runs this test"},
			{"go build", "builds what this test runs"},
			{"docker login", noRegistry},
			{"./dockit api-server --domain", "takes ports 80 and 443: TestAutomaticHTTPS"},
			{"xcaddy build", noBuild},
		},
	},
	"CONTRIBUTING.md": {why: "commands for the repository itself, which CI runs"},
	"docs/getting-started.md": {
		withoutServer: true,
		instead:       [][2]string{password},
		notRun: []notRun{
			{"docker login", noRegistry},
			{"cd examples/compose", noCompose},
			{"docker compose", noCompose},
			{"xcaddy build", noBuild},
		},
	},
	"docs/caddy.md": {why: noBuild},
	"docs/administration.md": {
		before: "printf " + documentedPassword + ` >~/.dockit-password
echo 'a long password' | dockit rbac add user:alice --password-stdin
dockit rbac token create user:admin --name way-in -q >~/.dockit-token
unset DOCKIT_PASSWORD`,
		files: elsewhere,
		instead: [][2]string{
			{"rotate ID", `rotate "$(dockit rbac token list robot:deploy -o name | head -1)"`},
			{"revoke ID", `revoke "$(dockit rbac token list robot:deploy -o name | head -1)"`},
			{"--if-match TAG", `--if-match "$(dockit rbac plan -f state.yaml -o json | sed -n 's/.*"tag": "\([^"]*\)".*/\1/p')"`},
			{"curl -u admin", "curl -fsS -u admin:" + documentedPassword},
			{`"name": "alice"`, `"name": "carol"`},
		},
		notRun: []notRun{
			{"dockit rbac add user:alice", "asks at a terminal: rbac_terminal.txtar"},
			{"dockit rbac issuer", "asks GitHub: rbac_issuer.txtar has an issuer of its own"},
			{"dockit rbac binding", "takes that issuer"},
			{"docker login", "takes that issuer: issuer_login.txtar"},
			{"dockit login", "takes the job of a platform: login_server.txtar"},
			{"dockit logout", "takes that login"},
			{"docker push", "takes that login"},
			{"dockit rbac audit --follow", "does not end: rbac_audit.txtar"},
		},
	},
	"docs/page.md": {
		before: `echo 'a long password' | dockit rbac add user:alice --password-stdin
dockit rbac token create user:alice --name laptop -q >/dev/null`,
		instead: [][2]string{{"k3v7q2mzx4ta", `"$(dockit rbac token list user:alice -o name | head -1)"`}},
	},
	"docs/operation.md": {
		instead: [][2]string{
			{"dockit_encryption dockit api-server", "dockit_encryption dockit api-server --sql-dsn sealed.sqlite"},
			{"dockit-2026-01-31", "dockit-$(date +%F)"},
			{"systemctl stop dockit", "stop_server"},
			{"systemctl start dockit", "{ dockit api-server >server.log 2>&1 & }\nready"},
		},
		notRun: []notRun{
			{"dockit api-server --listen 'unix", "listens where the shell does not ask: unix_socket.txtar"},
			{"DOCKIT_SQL_DSN_FILE", "takes MySQL: TestScriptsOnMariaDB"},
			{"DOCKIT_TO_FILE", "takes MySQL: TestScriptsOnMariaDB"},
		},
	},
	"docs/guides/behind-another-proxy.md": {
		withoutServer: true,
		instead:       [][2]string{{"127.0.0.1:4315", "$DOCKIT_LISTEN"}},
	},
	"docs/guides/moving.md": {
		files: elsewhere,
		fails: []failure{{"dockit rbac plan", 2}},
	},
	"docs/guides/cert-manager.md": {
		notRun: []notRun{
			{"kubectl", noCluster},
			{"dockit rbac pki doctor", "takes a registry: TestDoctor"},
		},
	},
	"docs/guides/ci.md":                {why: "takes the platforms: TestScripts/guide_ci runs what the page says, with tokens of a test's issuer"},
	"docs/guides/kubernetes.md":        {why: "takes a cluster and its nodes: TestKubeletPulls, and the tests of the module kubernetes"},
	"docs/guides/high-availability.md": {why: "takes a cluster: TestCluster"},
	"docs/guides/litestream.md":        {why: "takes Litestream: TestDrill does all of it"},
	"examples/compose/README.md":       {why: noCompose},
	"examples/compose-mysql/README.md": {why: noCompose},
	"examples/one-host/README.md":      {why: "takes a docker engine: TestComposeExampleOnOneHost pushes through what the file says"},
	"examples/systemd/README.md":       {why: "takes systemd: TestSystemdUnit starts what the unit says"},
	"examples/ansible/README.md":       {why: "takes another machine: TestAnsibleRole plays the role"},
	"examples/monitoring/README.md":    {why: "takes Prometheus: TestDashboard runs it"},
	"examples/litestream/README.md":    {why: "takes a docker engine: TestExample runs what the file says"},
	"examples/kustomize/README.md":     {why: "takes a cluster: TestKustomizationIsTheChart and TestManifestsAreTaken, of the module kubernetes and of the API server"},
	"examples/fail2ban/README.md":      {why: "takes fail2ban: TestFail2ban"},
}

// elsewhere are files of what people had before Dockit.
var elsewhere = map[string]string{
	"etc/registry/htpasswd":      "dora:$2y$05$F1Ud4JRMr6LNwVVxdh5fSu8sh7jTZYqEZ1hS4wq4BGYk6D0XWpbZy\n",
	"etc/docker-auth/config.yml": "users:\n  eve: {password: \"$2y$05$F1Ud4JRMr6LNwVVxdh5fSu8sh7jTZYqEZ1hS4wq4BGYk6D0XWpbZy\"}\nacl:\n  - match: {account: eve}\n    actions: [\"*\"]\n",
}
