package main

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"
)

//go:embed audit.yaml manifests/*.yaml world/* nodes/*
var files embed.FS

// cluster is the first process of the cluster's namespaces, and the parent of all others.
type cluster struct {
	place
	*children
	nodes  []string
	report *os.File
}

// runCluster starts everything, reports on file descriptor 3, and stays until it is told to stop or a part of it ends.
func runCluster(arguments []string) error {
	p, err := here()
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(strings.Join(arguments, " "))
	if err != nil {
		return err
	}
	syscall.CloseOnExec(3)
	c := &cluster{place: p, children: newChildren(p.state), report: os.NewFile(3, "report")}
	for number := 1; number <= count; number++ {
		c.nodes = append(c.nodes, fmt.Sprintf("node%d", number))
	}
	lock, err := p.lock()
	if err != nil {
		return err
	}
	defer lock.Close()

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	started := make(chan error, 1)
	go func() { started <- c.begin() }()
	select {
	case err = <-started:
	case <-stop:
		return c.end()
	}
	if err != nil {
		return errors.Join(err, c.end())
	}
	c.say(ready)
	c.report.Close()
	return c.live(stop)
}

// live returns when it is told to stop, or a part of the cluster has ended by itself.
func (c *cluster) live(stop <-chan os.Signal) error {
	outages := make(chan os.Signal, 1)
	signal.Notify(outages, outage, outageOver)
	ended := c.firstToEnd()
	for {
		select {
		case name := <-ended:
			return errors.Join(fmt.Errorf("%s ended; %s", name, c.blame(name)), c.end())
		case kind := <-outages:
			if err := c.setAPIServer(kind == outageOver); err != nil {
				return errors.Join(err, c.end())
			}
		case <-stop:
			return c.end()
		}
	}
}

func (c *cluster) say(format string, arguments ...any) {
	fmt.Fprintf(c.report, format+"\n", arguments...)
}

// begin is the life of a cluster until pods run in it.
func (c *cluster) begin() error {
	return inOrder(
		func() error { return ownMounts(syscall.MS_PRIVATE) },
		raiseBridge,
		func() error { return os.CopyFS(c.state, files) },
		c.startWorld,
		c.startControlPlane,
		c.startNodes,
		// The nodes load their images meanwhile.
		func() error { return c.kubectl("create", "--filename", c.program("crds")) },
		func() error { return c.kubectl("create", "--filename", c.file("manifests")) },
		c.awaitNodes,
		c.awaitPods,
	)
}

func (c *cluster) startNodes() error {
	c.say("API server ready")
	for i := range c.nodes {
		if err := c.startNode(i + 1); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) awaitNodes() error {
	for _, node := range c.nodes {
		wait := func() error { return c.kubectl("wait", "--for=condition=Ready", "node/"+node, "--timeout=5s") }
		if err := until(node+" ready", 40*time.Second, wait); err != nil {
			return fmt.Errorf("%w; %s", err, c.blame(node))
		}
	}
	c.say("%d nodes ready", len(c.nodes))
	return nil
}

func (c *cluster) awaitPods() error {
	for _, node := range c.nodes {
		if err := until("a pod on "+node, 20*time.Second, func() error { return c.createClient(node) }); err != nil {
			return err
		}
	}
	err := c.kubectl("--namespace", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=60s")
	return errors.Join(err, c.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s"))
}

// createClient succeeds once the controllers have made the namespace's ServiceAccount.
func (c *cluster) createClient(node string) error {
	text, err := files.ReadFile("nodes/client.yaml")
	if err != nil {
		return err
	}
	path := c.file("client-" + node + ".yaml")
	if err := c.render(path, string(text), map[string]string{"Node": node}); err != nil {
		return err
	}
	return c.kubectl("apply", "--filename", path)
}

// startWorld is the DNS outside the cluster, to which kube-dns forwards.
func (c *cluster) startWorld() error {
	_, err := c.start("world", []string{c.program("coredns"), "-conf", c.file("world/Corefile")}, func(child *exec.Cmd) {
		child.Dir = c.file("world")
	})
	return err
}

func (c *cluster) render(path, text string, values any) error {
	parsed, err := template.New(filepath.Base(path)).Parse(text)
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return parsed.Execute(file, values)
}

// firstToEnd reaps whatever ends, and tells the first name that belongs to the cluster.
func (c *cluster) firstToEnd() <-chan string {
	ended := make(chan string, 1)
	go func() {
		for {
			pid, err := syscall.Wait4(-1, nil, 0, nil)
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if name, ours := c.ended(pid); ours || err != nil {
				ended <- name
				return
			}
		}
	}()
	return ended
}

// end kills every process of the namespace but this one, and waits until their cgroups can go.
func (c *cluster) end() error {
	if err := syscall.Kill(-1, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill all: %w", err)
	}
	return c.removeCgroups()
}

// ownMounts gives this process's mount namespace its own propagation, and a /proc that shows its own process namespace.
func ownMounts(propagation uintptr) error {
	for _, kind := range []uintptr{syscall.MS_PRIVATE, propagation} {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|kind, ""); err != nil {
			return fmt.Errorf("propagation of mounts: %w", err)
		}
	}
	if err := syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return nil
}
