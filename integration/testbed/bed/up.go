package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ready is the last line a cluster reports while it starts.
const ready = "ready"

// up starts a cluster, which stays when this process ends, and returns when pods run in it.
func up(arguments []string) error {
	flags := flag.NewFlagSet("up", flag.ExitOnError)
	nodes := flags.Int("nodes", 2, "how many nodes")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	p, err := here()
	if err != nil {
		return err
	}
	if *nodes < 1 || *nodes > 9 {
		return fmt.Errorf("--nodes must be from 1 to 9")
	}
	if p.running() {
		fmt.Println("a cluster runs already")
		return nil
	}
	if err := p.clear(); err != nil {
		return err
	}
	return p.launch(*nodes)
}

// launch starts `bed cluster` in namespaces of its own and follows its report.
func (p place) launch(nodes int) error {
	report, reporter, err := os.Pipe()
	if err != nil {
		return err
	}
	log, err := os.Create(p.file("cluster.log"))
	if err != nil {
		return err
	}
	cluster := exec.Command(p.program("bed"), "cluster", strconv.Itoa(nodes))
	cluster.Env = p.environment()
	cluster.Stdout, cluster.Stderr = log, log
	cluster.ExtraFiles = []*os.File{reporter}
	cluster.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true,
		// With the process namespace's first process everything in it dies: nothing can be left running.
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
	}
	if err := cluster.Start(); err != nil {
		return fmt.Errorf("new namespaces: %w (this needs root, and CAP_SYS_ADMIN in a container)", err)
	}
	reporter.Close()
	if err := os.WriteFile(p.file("pid"), []byte(strconv.Itoa(cluster.Process.Pid)), 0o600); err != nil {
		return errors.Join(err, cluster.Process.Kill())
	}
	started := time.Now()
	for lines := bufio.NewScanner(report); lines.Scan(); {
		fmt.Printf("%5.1f s  %s\n", time.Since(started).Seconds(), lines.Text())
		if lines.Text() == ready {
			return nil
		}
	}
	return fmt.Errorf("the cluster did not start: %w\n%s", cluster.Wait(), lastLines(log.Name(), 12))
}

// down ends the cluster, if one runs, and removes what a killed one may have left.
func down([]string) error {
	p, err := here()
	if err != nil {
		return err
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		pid, err := p.pid()
		if err != nil {
			break
		}
		if err := syscall.Kill(pid, signal); err != nil {
			return fmt.Errorf("signal process %d: %w", pid, err)
		}
		stopped := func() error {
			if p.running() {
				return errors.New("still there")
			}
			return nil
		}
		if err := until("end of the cluster", 15*time.Second, stopped); err == nil {
			break
		}
	}
	if p.running() {
		return errors.New("the cluster withstands SIGKILL")
	}
	return p.removeCgroups()
}

// status says what runs; a cluster that does not run is an error.
func status([]string) error {
	p, err := here()
	if err != nil {
		return err
	}
	pid, err := p.pid()
	if err != nil {
		return err
	}
	fmt.Printf("process %d, state and logs in %s\n", pid, p.state)
	return kubectl([]string{"get", "nodes,pods,ciliumlocalredirectpolicies", "--all-namespaces", "--output", "wide"})
}

// clear makes the state directory anew.
func (p place) clear() error {
	if err := p.removeCgroups(); err != nil {
		return err
	}
	if err := os.RemoveAll(p.state); err != nil {
		return err
	}
	return os.MkdirAll(p.state, 0o700)
}

func (p place) lockFile() string { return filepath.Clean(p.state) + ".lock" }

// lock is held by a cluster for as long as it lives.
func (p place) lock() (*os.File, error) {
	file, err := os.OpenFile(p.lockFile(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", file.Name(), err), file.Close())
	}
	return file, nil
}

func (p place) running() bool {
	lock, err := p.lock()
	if err != nil {
		return errors.Is(err, syscall.EWOULDBLOCK)
	}
	lock.Close()
	return false
}

// pid is the first process of the running cluster, as seen from outside.
func (p place) pid() (int, error) {
	if !p.running() {
		return 0, errors.New("no cluster runs; start one with integration/cluster up")
	}
	text, err := os.ReadFile(p.file("pid"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}
