package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// children are the programs a cluster or a node consists of; each writes to a log of its own.
type children struct {
	logs  string
	mutex sync.Mutex // of names
	names map[int]string
}

func newChildren(logs string) *children { return &children{logs: logs, names: map[int]string{}} }

// start runs a program under the name of its log. What it needs beyond arguments, configure sets.
func (c *children) start(name string, program []string, configure ...func(*exec.Cmd)) (*exec.Cmd, error) {
	log, err := os.OpenFile(filepath.Join(c.logs, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	child := exec.Command(program[0], program[1:]...)
	child.Stdout, child.Stderr = log, log
	for _, set := range configure {
		set(child)
	}
	// Whoever reaps it waits until it has its name.
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c.names[child.Process.Pid] = name
	return child, nil
}

// ended forgets the process and returns the name it had; what was never started here has none.
func (c *children) ended(pid int) (name string, ours bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	name, ours = c.names[pid]
	delete(c.names, pid)
	return name, ours
}

// run is true while a program of this name runs.
func (c *children) run(name string) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, named := range c.names {
		if named == name {
			return true
		}
	}
	return false
}

// kill ends all of this name; that they end is no news then.
func (c *children) kill(name string) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for pid, named := range c.names {
		if named == name {
			delete(c.names, pid)
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				return fmt.Errorf("kill %s: %w", name, err)
			}
		}
	}
	return nil
}

// blame names the log to look into, and its last words.
func (c *children) blame(name string) string {
	path := filepath.Join(c.logs, name+".log")
	return fmt.Sprintf("see %s, which ends:\n%s", path, lastLines(path, 5))
}

func lastLines(path string, count int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}

// inOrder takes steps until one fails.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// until asks again and again, and gives the last error when time is up.
func until(what string, limit time.Duration, ask func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %s: %w", what, limit, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
