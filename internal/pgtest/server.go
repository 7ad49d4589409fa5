package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL server of one's own.
type Server struct {
	bin      string
	dir      string
	own      bool // dir was made here, and goes with the server
	settings []string
	as       *syscall.Credential
	process  *os.Process // nil while it is down
	exited   chan error
	log      string
}

// New makes a server's files in dir ("": a directory of its own, removed by Stop) and starts it. settings
// are name=value, as in postgresql.conf. The caller stops it.
func New(dir string, settings ...string) (started *Server, err error) {
	s := &Server{dir: dir, settings: settings}
	if s.bin, err = binaries(); err != nil {
		return nil, err
	}
	if dir == "" {
		if s.dir, err = os.MkdirTemp("", "pg"); err != nil {
			return nil, err
		}
		s.own = true
	}
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return nil, err
	}
	if err := s.ownership(); err != nil {
		return nil, err
	}
	s.log = filepath.Join(s.dir, "log")
	if _, err := os.Stat(s.data()); errors.Is(err, os.ErrNotExist) {
		var out bytes.Buffer
		c := s.command("initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
		c.Stdout, c.Stderr = &out, &out
		if err := c.Run(); err != nil {
			return nil, fmt.Errorf("initdb: %w: %s", err, out.Bytes())
		}
	}
	return s, s.Restart()
}

// binaries finds the directory of PostgreSQL's programs.
func binaries() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			dirs = append(dirs, filepath.Dir(p))
		}
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		if _, err := os.Stat(filepath.Join(dirs[i], "postgres")); err == nil {
			return dirs[i], nil
		}
	}
	return "", errors.New("PostgreSQL's server is not on this machine: install the package postgresql (Debian, Ubuntu) or postgresql-server (Fedora)")
}

// ownership makes sure that the server does not run as root, which it refuses.
func (s *Server) ownership() error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return err
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return err
	}
	s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.dir, int(uid), int(gid))
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), args...)
	c.Dir, c.Env = s.dir, []string{"LC_ALL=C", "TZ=UTC", "PATH=" + s.bin}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Setpgid: true}
	return c
}

// DSN is the URL of a database of this server.
func (s *Server) DSN(db string) string {
	return (&url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + db, RawQuery: url.Values{"host": {s.dir}}.Encode()}).String()
}

// Restart starts a server that is down and returns when it answers.
func (s *Server) Restart() error {
	var err error
	// After a crash, what is left of the former server may still be about to end.
	for try := 0; try < 20; try++ {
		if err = s.start(); err == nil {
			return nil
		}
		time.Sleep(250 * time.Millisecond)
	}
	log, _ := os.ReadFile(s.log)
	return fmt.Errorf("start PostgreSQL: %w: %s", err, log)
}

func (s *Server) start() error {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"-D", s.data(), "-k", s.dir, "-c", "listen_addresses="}
	for _, v := range s.settings {
		args = append(args, "-c", v)
	}
	c := s.command("postgres", args...)
	c.Stdout, c.Stderr = log, log
	// SIGQUIT has the server drop everything; Linux sends it when the thread that started it is gone, which
	// therefore waits for it.
	c.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	started, exited := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := c.Start()
		started <- err
		if err == nil {
			exited <- c.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process, s.exited = c.Process, exited
	return s.answers()
}

// answers waits until the server takes connections.
func (s *Server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		c, err := pgx.Connect(ctx, s.DSN("postgres"))
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case exit := <-s.exited:
			s.process = nil
			return fmt.Errorf("the server ended: %v", exit)
		case <-ctx.Done():
			return errors.Join(err, s.signal(syscall.SIGQUIT))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Crash ends the server and all its processes without letting them tidy up. Restart brings it back.
func (s *Server) Crash() error {
	if s.process == nil {
		return nil
	}
	pid := strconv.Itoa(s.process.Pid)
	list, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	if err != nil {
		return err
	}
	if err := s.signal(syscall.SIGKILL); err != nil {
		return err
	}
	for _, child := range strings.Fields(string(list)) {
		if pid, err := strconv.Atoi(child); err == nil {
			syscall.Kill(pid, syscall.SIGKILL) // mostly gone already
		}
	}
	for _, child := range strings.Fields(string(list)) {
		for range 100 {
			if _, err := os.Stat("/proc/" + child); err != nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

// Down ends the server as an administrator does, without waiting for clients. Restart brings it back.
func (s *Server) Down() error { return s.signal(syscall.SIGINT) }

// Stop ends the server for good.
func (s *Server) Stop() error { return errors.Join(s.signal(syscall.SIGQUIT), s.remove()) }

func (s *Server) signal(sig os.Signal) error {
	if s.process == nil {
		return nil
	}
	err := s.process.Signal(sig)
	select {
	case <-s.exited: // how it ended does not matter
	case <-time.After(20 * time.Second):
		err = errors.Join(errors.New("PostgreSQL does not stop"), s.process.Kill())
	}
	s.process = nil
	return err
}

func (s *Server) remove() error {
	if !s.own {
		return nil
	}
	return os.RemoveAll(s.dir)
}
