package main

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// What the cluster's first process is told when the API server is to go away, and to come back.
const (
	outage     = syscall.SIGUSR1
	outageOver = syscall.SIGUSR2
)

// apiServer takes the API server away from a running cluster, or brings it back; it returns when that is so.
func apiServer(arguments []string) error {
	wanted := map[string]syscall.Signal{"stop": outage, "start": outageOver}
	if len(arguments) != 1 || wanted[arguments[0]] == 0 {
		return errors.New("say stop or start")
	}
	p, err := here()
	if err != nil {
		return err
	}
	pid, err := p.pid()
	if err != nil {
		return err
	}
	probe, err := p.kubectlCommand("get", "--raw", "/readyz", "--request-timeout", "1s")
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, wanted[arguments[0]]); err != nil {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	return until("API server: "+arguments[0], time.Minute, func() error {
		err := exec.Command(probe[0], probe[1:]...).Run()
		if (err == nil) != (arguments[0] == "start") {
			return fmt.Errorf("its readiness: %w", errors.Join(err, errors.New("not as wanted")))
		}
		return nil
	})
}

// setAPIServer kills it, or starts it where it does not run; etcd, and with it all objects, stays.
func (c *cluster) setAPIServer(running bool) error {
	switch {
	case !running:
		return c.kill("kube-apiserver")
	case c.run("kube-apiserver"):
		return nil
	default:
		return c.startAPIServer()
	}
}
