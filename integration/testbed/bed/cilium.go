package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Of a node's directory: the link to the Cilium that it starts, and the number that the node knows the running one by.
const (
	ciliumProgram = "cilium"
	ciliumPid     = "cilium.pid"
)

// swapCilium has a node, or all, run this release of Cilium, and returns when it knows the cluster's DNS Service. Where all do,
// DaemonSet cilium says so too.
func swapCilium(arguments []string) error {
	if len(arguments) < 1 || len(arguments) > 2 {
		return errors.New("say which release, and of which node if not of all")
	}
	p, err := here()
	if err != nil {
		return err
	}
	version, program := arguments[0], p.program("cilium-"+arguments[0])
	if _, err := p.pid(); err != nil {
		return err
	}
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("that release is not built: %w", err)
	}
	if len(arguments) == 2 {
		n, err := p.node(arguments[1])
		if err != nil {
			return err
		}
		return n.swapCilium(program)
	}
	nodes, err := p.nodes()
	for _, n := range nodes {
		err = errors.Join(err, n.swapCilium(program))
	}
	return errors.Join(err, p.showCilium(version))
}

func (n *node) swapCilium(program string) error {
	if err := n.chooseCilium(program); err != nil {
		return err
	}
	old, err := os.ReadFile(n.path(ciliumPid))
	if err != nil {
		return err
	}
	log, err := os.Stat(n.path("cilium.log"))
	if err != nil {
		return err
	}
	kill, err := n.command([]string{"pid"}, "sh", "-c", "kill -KILL "+string(old))
	if err != nil {
		return err
	}
	if output, err := kill.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: kill Cilium: %w: %s", n.Name, err, output)
	}
	return until(n.Name+": table of "+filepath.Base(program), time.Minute, func() error {
		current, err := os.ReadFile(n.path(ciliumPid))
		if err != nil {
			return err
		}
		if bytes.Equal(current, old) {
			return errors.New("the one before still runs")
		}
		return n.knowsDNS(log.Size())
	})
}

// chooseCilium has the node start this one the next time.
func (n *node) chooseCilium(program string) error {
	next := n.path("cilium.next")
	return errors.Join(os.Symlink(program, next), os.Rename(next, n.path(ciliumProgram)))
}

// knowsDNS is nil once Cilium has written kube-dns into its table, past this offset of its log.
func (n *node) knowsDNS(offset int64) error {
	log, err := os.ReadFile(n.path("cilium.log"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(log[min(offset, int64(len(log))):])) {
		if strings.HasPrefix(line, "[") && strings.Contains(line, `"10.96.0.10:53/UDP`) {
			return nil
		}
	}
	return fmt.Errorf("kube-dns is not in it yet; its log ends:\n%s", lastLines(n.path("cilium.log"), 1))
}

// showCilium gives DaemonSet cilium the image of the release.
func (p place) showCilium(version string) error {
	image := "quay.io/cilium/cilium:v" + version
	if err := loadImages([]string{p.program("images/" + strings.ReplaceAll(image, "/", "_") + ".tar")}); err != nil {
		return err
	}
	for _, arguments := range [][]string{
		{"set", "image", "daemonset/cilium", "cilium-agent=" + image},
		{"rollout", "status", "daemonset/cilium", "--timeout=60s"},
	} {
		command, err := p.kubectlCommand(append([]string{"--namespace", "kube-system"}, arguments...)...)
		if err != nil {
			return err
		}
		if output, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, output)
		}
	}
	return nil
}
