package mariadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/process"
)

// User and Password log in to Database, with all rights on it and no others.
const (
	User     = "dockit"
	Password = "mariadb"
	Database = "dockit"
)

const startTimeout = time.Minute

// Server is a running MariaDB.
type Server struct {
	*process.Process
	// Address is where it listens, on loopback.
	Address string

	dir   string
	admin *sql.DB
}

// Start makes a server with an empty Database, and further options of its own. Stop it, also after an error.
func Start(ctx context.Context, options ...string) (*Server, error) {
	s := &Server{}
	programs, err := Find()
	if err != nil {
		return s, err
	}
	// In memory where that is possible: nothing here outlives the tests.
	if s.dir, err = os.MkdirTemp("/dev/shm", "dockit-mariadb-"); err != nil {
		if s.dir, err = os.MkdirTemp("", "dockit-mariadb-"); err != nil {
			return s, fmt.Errorf("make a folder for MariaDB: %w", err)
		}
	}
	p, err := port.Free(ctx)
	if err != nil {
		return s, err
	}
	s.Address = net.JoinHostPort("127.0.0.1", strconv.Itoa(p))
	socket := filepath.Join(s.dir, "socket")
	common := []string{"--no-defaults", "--datadir=" + filepath.Join(s.dir, "data"), "--tmpdir=" + s.dir, "--innodb-log-file-size=8M"}
	if os.Geteuid() == 0 {
		common = append(common, "--user=root") // it refuses root that is not named
	}
	env := []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin"}
	prepare := exec.CommandContext(ctx, programs.Install, append(common, "--auth-root-authentication-method=normal", "--skip-test-db")...) //nolint:gosec // a program from the PATH
	prepare.Env = env
	if output, err := prepare.CombinedOutput(); err != nil {
		return s, fmt.Errorf("make the data of MariaDB: %w: %s", err, output)
	}
	s.Process, err = process.Start(process.Command{
		Name: "mariadbd at " + s.Address, Path: programs.Daemon, Env: env, Dir: s.dir,
		Args: append(append(common, "--socket="+socket, "--port="+strconv.Itoa(p), "--bind-address=127.0.0.1", "--pid-file="+filepath.Join(s.dir, "pid"),
			"--skip-name-resolve", "--skip-log-bin", "--performance-schema=OFF", "--innodb-flush-log-at-trx-commit=1",
			"--innodb-buffer-pool-size=32M", "--key-buffer-size=64K", "--aria-pagecache-buffer-size=1M", "--max-connections=300"), options...),
		Attributes: EndWithUs(&syscall.SysProcAttr{Setpgid: true}),
	})
	if err != nil {
		return s, err
	}
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr = "root", "unix", socket
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return s, fmt.Errorf("connect to %s: %w", s.Process, err)
	}
	s.admin = sql.OpenDB(connector)
	if err := s.waitReady(ctx); err != nil {
		return s, err
	}
	for _, statement := range []string{
		"CREATE DATABASE " + Database + " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
		"CREATE USER " + User + "@'%' IDENTIFIED BY '" + Password + "'",
		"GRANT ALL ON " + Database + ".* TO " + User + "@'%'",
	} {
		if _, err := s.admin.ExecContext(ctx, statement); err != nil {
			return s, fmt.Errorf("%s: %w", statement, err)
		}
	}
	return s, nil
}

func (s *Server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		_, err := s.admin.ExecContext(ctx, "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-s.Done():
			return fmt.Errorf("%s ended by itself:\n%s", s.Process, s.Output())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w:\n%s", s.Process, errors.Join(ctx.Err(), err), s.Output())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// DSN is what to give to a Dockit that reaches the server at an address: its own, or that of something in between. The
// parameters begin with a question mark.
func DSN(address, parameters string) string {
	return fmt.Sprintf("%s:%s@tcp(%s)/%s%s", User, Password, address, Database, parameters)
}

// Stop ends the server without ceremony and removes its folder.
func (s *Server) Stop() error {
	if s.admin != nil {
		_ = s.admin.Close() // there is nobody at the other end in a moment
	}
	if s.Process != nil {
		s.Kill()
	}
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}
