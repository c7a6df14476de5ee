package mariadbtest

import (
	"bytes"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Server is a running MariaDB.
type Server struct {
	// Address is where it listens, on loopback.
	Address string
	// Certificate is what it shows to who asks for TLS.
	Certificate *x509.Certificate

	dir     string
	admin   *sql.DB
	process *os.Process
	ended   chan struct{}
}

var (
	daemon, install string
	findPrograms    = sync.OnceValue(func() (err error) {
		if daemon, err = find("mariadbd", "mysqld"); err != nil {
			return err
		}
		if install, err = find("mariadb-install-db", "mysql_install_db"); err != nil {
			return err
		}
		_, err = find("my_print_defaults") // which that one runs
		return err
	})
)

// find looks in the PATH and where Debian keeps daemons, which is not in the
// PATH of everybody.
func find(names ...string) (string, error) {
	for _, name := range names {
		for _, candidate := range []string{name, "/usr/sbin/" + name} {
			if path, err := exec.LookPath(candidate); err == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%s is not installed: run scripts/get-mariadb", names[0])
}

// startServer makes a data directory, starts a server on it and waits until it
// answers.
func startServer() (_ *Server, err error) {
	s := &Server{ended: make(chan struct{})}
	// In memory where that is possible: nothing here outlives the tests.
	if s.dir, err = os.MkdirTemp("/dev/shm", "dockit-mariadb-"); err != nil {
		if s.dir, err = os.MkdirTemp("", "dockit-mariadb-"); err != nil {
			return nil, fmt.Errorf("make a folder for MariaDB: %w", err)
		}
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(s.dir) // the first error is the one to report
		}
	}()
	data := filepath.Join(s.dir, "data")
	common := []string{"--no-defaults", "--datadir=" + data, "--tmpdir=" + s.dir, "--innodb-log-file-size=8M"}
	if os.Geteuid() == 0 {
		common = append(common, "--user=root") // it refuses root that is not named
	}
	prepare := exec.Command(install, append(common, "--auth-root-authentication-method=normal", "--skip-test-db")...) //nolint:gosec,noctx // a program from the PATH
	if output, err := prepare.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("prepare the folder of MariaDB: %w: %s", err, output)
	}
	tls, err := s.writeCertificate()
	if err != nil {
		return nil, err
	}
	const attempts = 3 // another process may take the port in between
	for attempt := 1; ; attempt++ {
		if err = s.run(append(common, tls...)); err == nil || attempt == attempts {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if err := s.createUser(); err != nil {
		s.stop()
		return nil, err
	}
	started.Store(s)
	return s, nil
}

func (s *Server) run(common []string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	s.Address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	socket := filepath.Join(s.dir, "socket")
	args := append([]string{}, common...)
	args = append(args,
		"--socket="+socket, "--port="+strconv.Itoa(port), "--bind-address=127.0.0.1", "--pid-file="+filepath.Join(s.dir, "pid"),
		"--skip-name-resolve", "--skip-log-bin", "--performance-schema=OFF", "--innodb-flush-log-at-trx-commit=0",
		"--innodb-doublewrite=OFF", "--innodb-buffer-pool-size=32M", "--innodb-fast-shutdown=2", "--key-buffer-size=64K",
		"--aria-pagecache-buffer-size=1M", "--max-connections=500")
	var log bytes.Buffer
	launched := make(chan error)
	ended := make(chan struct{})
	go func() {
		// A server dies with the thread that started it, see dieWithParent: this
		// goroutine keeps it.
		runtime.LockOSThread()
		defer close(ended)
		command := exec.Command(daemon, args...) //nolint:gosec,noctx // a program from the PATH; stop ends it
		command.Stdout, command.Stderr = &log, &log
		command.SysProcAttr = dieWithParent
		err := command.Start()
		s.process = command.Process
		launched <- err
		if err == nil {
			_ = command.Wait() // it is killed in the end
		}
	}()
	if err := <-launched; err != nil {
		return fmt.Errorf("start MariaDB: %w", err)
	}
	s.ended = ended
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr = "root", "unix", socket
	config.Logger = &mysql.NopLogger{}
	if s.admin, err = sql.Open("mysql", config.FormatDSN()); err != nil {
		return fmt.Errorf("connect to MariaDB: %w", err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_, err := s.admin.Exec("SELECT 1") //nolint:noctx // there is a deadline
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("MariaDB ended by itself: %s", log.String())
		default:
		}
		if time.Now().After(deadline) {
			s.kill()
			return fmt.Errorf("MariaDB does not answer: %w: %s", err, log.String())
		}
	}
}

func (s *Server) createUser() error {
	for _, statement := range []string{
		"CREATE USER '" + User + "'@'%' IDENTIFIED BY '" + Password + "'",
		"GRANT ALL ON `dockit\\_%`.* TO '" + User + "'@'%'",
	} {
		if _, err := s.admin.Exec(statement); err != nil { //nolint:noctx // the server runs here
			return fmt.Errorf("make the user of the tests: %w", err)
		}
	}
	return nil
}

func (s *Server) kill() {
	_ = s.process.Kill() // it may have ended
	<-s.ended
}

// stop ends the server without ceremony and removes its folder.
func (s *Server) stop() {
	err := s.admin.Close()
	s.kill()
	if err = errors.Join(err, os.RemoveAll(s.dir)); err != nil {
		fmt.Fprintln(os.Stderr, "stop MariaDB:", err)
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // on loopback
	if err != nil {
		return 0, fmt.Errorf("look for a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}
