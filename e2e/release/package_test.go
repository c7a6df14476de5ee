package release

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/cannot"
)

// installed are files that both formats have.
var installed = []string{
	"/usr/bin/dockit", "/usr/lib/systemd/system/dockit.service", "/usr/lib/systemd/system/dockit.socket", "/etc/dockit/dockit.env",
	"/usr/share/man/man1/dockit.1", "/usr/share/man/man1/dockit-rbac-token-create.1", "/usr/share/bash-completion/completions/dockit",
	"/usr/share/fish/vendor_completions.d/dockit.fish", "/usr/share/doc/dockit/copyright",
}

// look finds a program, or the test cannot run.
func look(t *testing.T, program, get string) string {
	t.Helper()
	found, err := exec.LookPath(program)
	if err != nil {
		cannot.Run(t, fmt.Errorf("%w: %s", err, get))
	}
	return found
}

func (r *release) testDeb(t *testing.T) {
	dpkg := look(t, "dpkg-deb", "Debian has it")
	for i, name := range packages("deb") {
		fields := run(t, r.dist, dpkg, "--field", name)
		arch := []string{"amd64", "arm64"}[i]
		for _, want := range []string{"Package: dockit", "Version: " + version, "Architecture: " + arch, "Section: net", "Recommends: ca-certificates"} {
			assert.Contains(t, strings.Split(fields, "\n"), want, name)
		}
		command := exec.CommandContext(t.Context(), dpkg, "--fsys-tarfile", r.path(name))
		content, err := command.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, command.Start())
		files := untar(t, content)
		require.NoError(t, command.Wait())
		for _, path := range append([]string{"/usr/share/zsh/vendor-completions/_dockit"}, installed...) {
			require.Contains(t, files, path[1:], name)
		}
		for path, f := range files {
			assert.Equal(t, r.time, f.time, "%s: %s", name, path)
		}
		assert.EqualValues(t, 0o640, files["etc/dockit/dockit.env"].mode)
		unit, err := os.ReadFile(filepath.Join(r.root, "examples", "systemd", "dockit.service"))
		require.NoError(t, err)
		assert.Equal(t, string(unit), string(files["usr/lib/systemd/system/dockit.service"].content))
		assert.Equal(t, "/etc/dockit/dockit.env", run(t, r.dist, dpkg, "--info", name, "conffiles"))
	}
	t.Run("install", func(t *testing.T) {
		r.inside(t, "dpkg --install /mnt/"+packages("deb")[host(t)], `
key=$(cat /etc/dockit/encryption-key)
echo 'DOCKIT_SERVICE=registry.example.com' >>/etc/dockit/dockit.env
dpkg --install /mnt/`+packages("deb")[host(t)]+` # another version would come the same way
test "$key" = "$(cat /etc/dockit/encryption-key)"
grep --quiet '^DOCKIT_SERVICE=registry.example.com$' /etc/dockit/dockit.env
test "$(dpkg --verify dockit)" = '??5?????? c /etc/dockit/dockit.env'
dpkg --remove dockit
test ! -e /usr/bin/dockit
test ! -e /usr/lib/systemd/system/dockit.service
grep --quiet '^DOCKIT_SERVICE=registry.example.com$' /etc/dockit/dockit.env
dpkg --purge dockit
test ! -e /etc/dockit/dockit.env
test "$key" = "$(cat /etc/dockit/encryption-key)"
`)
	})
}

func (r *release) testRPM(t *testing.T) {
	rpm := look(t, "rpm", "run scripts/get-packaging bin/packaging")
	for i, name := range packages("rpm") {
		about := run(t, r.dist, rpm, "--query", "--package", name, "--queryformat", "%{NAME} %{VERSION} %{ARCH} %{LICENSE}")
		assert.Equal(t, "dockit "+version+" "+[]string{"x86_64", "aarch64"}[i]+" Apache-2.0", about)
		files := strings.Fields(run(t, r.dist, rpm, "--query", "--package", "--list", name))
		assert.Subset(t, files, append([]string{"/usr/share/zsh/site-functions/_dockit"}, installed...), name)
		assert.Equal(t, "/etc/dockit/dockit.env", run(t, r.dist, rpm, "--query", "--package", "--configfiles", name))
		assert.Contains(t, run(t, r.dist, rpm, "--checksig", "--nosignature", name), "digests OK")
	}
	t.Run("install", func(t *testing.T) {
		// It is no rpm system: there is nothing that others could depend on.
		name := packages("rpm")[host(t)]
		r.inside(t, "rpm --force-debian --nodeps --install /mnt/"+name, `
key=$(cat /etc/dockit/encryption-key)
rpm --force-debian --nodeps --upgrade --force /mnt/`+name+`
test "$key" = "$(cat /etc/dockit/encryption-key)"
rpm --verify --nodeps dockit
rpm --force-debian --nodeps --erase dockit
test ! -e /usr/bin/dockit
test "$key" = "$(cat /etc/dockit/encryption-key)"
`)
	})
}

// host is which of the packages is for this machine.
func host(t *testing.T) int {
	t.Helper()
	switch runtime.GOARCH {
	case "amd64":
		return 0
	case "arm64":
		return 1
	}
	cannot.Run(t, errors.New("there is no package for "+runtime.GOARCH))
	return 0
}

// What every package leaves behind when it is installed, and that systemd takes the units.
const afterInstall = `
dockit version
test "$(stat --format %a /etc/dockit/encryption-key)" = 600
test "$(wc --bytes </etc/dockit/encryption-key)" = 64
test "$(stat --format %a:%U /etc/dockit/dockit.env)" = 640:root
if command -v systemctl >/dev/null; then
	systemctl --root=/ enable dockit.socket dockit.service
	test -h /etc/systemd/system/sockets.target.wants/dockit.socket
	systemctl --root=/ disable dockit.socket dockit.service
fi
`

// inside installs a package on this very machine, but for everything that is written: that is kept in memory, and gone afterwards.
func (r *release) inside(t *testing.T, install, then string) {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		cannot.Run(t, errors.New("a package is installed by root of a Linux"))
	}
	unshare := look(t, "unshare", "util-linux has it")
	folder := t.TempDir()
	prepare := `set -eu
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
mount --rbind /dev "$1/root/dev"
mount -t proc proc "$1/root/proc"
mount --bind "$2" "$1/root/mnt"
`
	within := func(script string) ([]byte, error) {
		command := exec.CommandContext(t.Context(), unshare, "--mount", "--pid", "--fork", "--propagation", "private",
			"sh", "-c", prepare+"exec chroot \"$1/root\" sh -euxc \"$3\"", "sh", folder, r.dist, script)
		command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
		return command.CombinedOutput()
	}
	if out, err := within("true"); err != nil {
		cannot.Run(t, fmt.Errorf("a layer above this machine cannot be mounted: %w: %s", err, out))
	}
	out, err := within("cd /\n" + install + afterInstall + then)
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "made /etc/dockit/encryption-key: keep a copy of it")
	assert.Contains(t, string(out), "v"+version)
}
