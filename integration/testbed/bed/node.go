package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// node is one Kubernetes node: its directory and what its configuration files are made of.
type node struct {
	place
	nodeAddresses
	Name   string
	Number int
	Nodes  int
	// Dir holds everything the node writes.
	Dir string
	// Cgroup is the root of its pods' cgroups, without the hierarchy's path.
	Cgroup string
}

func newNode(p place, number, nodes int) *node {
	name := fmt.Sprintf("node%d", number)
	return &node{place: p, nodeAddresses: addressesOf(number), Name: name, Number: number, Nodes: nodes, Dir: p.file(name)}
}

// State is for the templates: where the cluster keeps keys and kubeconfigs.
func (n *node) State() string { return n.state }

func (n *node) path(name string) string { return filepath.Join(n.Dir, name) }

// startNode starts `bed node` in namespaces of its own and plugs it into the bridge.
func (c *cluster) startNode(number int) error {
	n := newNode(c.place, number, len(c.nodes))
	for _, folder := range []string{"cni", "kubelet", "pods", "run/shims", "shadow", "var/cni", "var/kubelet", "var/log"} {
		if err := os.MkdirAll(n.path(folder), 0o755); err != nil {
			return err
		}
	}
	var err error
	if n.Cgroup, err = c.makeCgroup(n.Name); err != nil {
		return err
	}
	if err := n.chooseCilium(n.program("cilium")); err != nil {
		return err
	}
	for file, template := range map[string]string{
		"containerd.toml": "containerd.toml", "cni/10-pods.conflist": "pods.conflist", "kubelet.yaml": "kubelet.yaml", "kube-proxy.yaml": "kube-proxy.yaml",
	} {
		text, err := files.ReadFile("nodes/" + template)
		if err != nil {
			return err
		}
		if err := c.render(n.path(file), string(text), n); err != nil {
			return err
		}
	}
	plugged, plug, err := os.Pipe()
	if err != nil {
		return err
	}
	child, err := c.start(n.Name, []string{c.program("bed"), "node", strconv.Itoa(number), strconv.Itoa(len(c.nodes))}, func(child *exec.Cmd) {
		child.Stdin = plugged
		child.Env = c.environment()
		child.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS,
		}
	})
	if err != nil {
		return err
	}
	pid := child.Process.Pid
	return errors.Join(plugged.Close(), plugIn(n.Name, number, pid), os.WriteFile(n.path("pid"), []byte(strconv.Itoa(pid)), 0o600), plug.Close())
}

// runNode is the first process of a node's namespaces. It reads its standard input until eth0 is plugged in, which is when that ends.
func runNode(arguments []string) error {
	p, err := here()
	if err != nil {
		return err
	}
	if len(arguments) != 2 {
		return errors.New("needs the node's number and how many there are")
	}
	number, err := strconv.Atoi(arguments[0])
	nodes, err2 := strconv.Atoi(arguments[1])
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	n := newNode(p, number, nodes)
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return inOrder(
		func() error { return ownMounts(syscall.MS_SHARED) },
		n.ownPaths,
		n.ownTunables,
		func() error { return syscall.Sethostname([]byte(n.Name)) },
		n.raise,
		func() error { return n.run(newChildren(n.Dir)) },
	)
}

// ownPaths lays the node's own directories over paths that containerd, CNI and the kubelet know by heart. Those paths, made empty,
// are all that a node leaves on the machine.
func (n *node) ownPaths() error {
	for path, own := range map[string]string{
		"/run/containerd": "run/shims", "/var/lib/cni": "var/cni", "/var/lib/kubelet": "var/kubelet", "/var/log": "var/log",
	} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := bind(n.path(own), path); err != nil {
			return err
		}
	}
	overlay, err := n.onOverlay()
	if err != nil || !overlay {
		return err
	}
	if err := os.MkdirAll(n.path("containerd"), 0o755); err != nil {
		return err
	}
	return syscall.Mount("tmpfs", n.path("containerd"), "tmpfs", 0, "")
}

// ownTunables shows the kubelet files that say what it wants, where it would set the whole machine's tunables.
func (n *node) ownTunables() error {
	for tunable, wanted := range map[string]string{
		"kernel/keys/root_maxbytes": "25000000", "kernel/keys/root_maxkeys": "1000000", "kernel/panic": "10",
		"kernel/panic_on_oops": "1", "vm/overcommit_memory": "1", "vm/panic_on_oom": "0",
	} {
		shadow := n.path("shadow/" + strings.ReplaceAll(tunable, "/", "."))
		if err := os.WriteFile(shadow, []byte(wanted+"\n"), 0o644); err != nil {
			return err
		}
		if err := bind(shadow, "/proc/sys/"+tunable); err != nil {
			return err
		}
	}
	return nil
}

func bind(from, onto string) error {
	if err := syscall.Mount(from, onto, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s onto %s: %w", from, onto, err)
	}
	return nil
}

// raise makes the node a router with addresses.
func (n *node) raise() error {
	for tunable, value := range map[string]string{
		"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1", "ipv6/conf/all/accept_dad": "0", "ipv6/conf/default/accept_dad": "0",
	} {
		if err := os.WriteFile("/proc/sys/net/"+tunable, []byte(value), 0o644); err != nil {
			return err
		}
	}
	return raiseNode(n.Number, n.Nodes)
}

// run starts the node's programs and returns when one of them has ended for good.
func (n *node) run(c *children) error {
	if _, err := c.start("containerd", []string{"containerd", "--config", n.path("containerd.toml")}); err != nil {
		return err
	}
	if err := until("containerd", 20*time.Second, n.dialContainerd); err != nil {
		return fmt.Errorf("%w; %s", err, c.blame("containerd"))
	}
	archives, err := filepath.Glob(filepath.Join(n.programs, "images", "*.tar"))
	if err := errors.Join(err, n.importImages(archives)); err != nil {
		return err
	}
	controlplane := n.program("controlplane")
	_, kubelet := c.start("kubelet", []string{controlplane, "kubelet", "--config=" + n.path("kubelet.yaml"),
		"--kubeconfig=" + n.file("kubelet-"+n.Name+".kubeconfig"), "--root-dir=" + n.path("kubelet"), "--cert-dir=" + n.path("kubelet/pki"),
		"--node-ip=" + n.IPv4 + "," + n.IPv6, "--hostname-override=" + n.Name, "--v=2"})
	_, proxy := c.start("kube-proxy", []string{controlplane, "kube-proxy", "--config=" + n.path("kube-proxy.yaml")})
	if err := errors.Join(kubelet, proxy, n.startCilium(c)); err != nil {
		return err
	}
	for {
		// Orphans of every container come to the first process, which has to reap them.
		pid, err := syscall.Wait4(-1, nil, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		name, ours := c.ended(pid)
		switch {
		case err != nil:
			return err
		case name == "cilium":
			err = n.startCilium(c)
		case ours:
			err = fmt.Errorf("%s ended; %s", name, c.blame(name))
		}
		if err != nil {
			return err
		}
	}
}

// startCilium is also called when it has ended: its pod would be started again, and the redirects outlive it in the kernel.
func (n *node) startCilium(c *children) error {
	program := []string{n.path(ciliumProgram), "--nft", "--k8s-kubeconfig-path", n.file("admin.kubeconfig")}
	child, err := c.start("cilium", program, func(child *exec.Cmd) {
		child.Env = append(os.Environ(), "K8S_NODE_NAME="+n.Name)
	})
	if err != nil {
		return err
	}
	return os.WriteFile(n.path(ciliumPid), []byte(strconv.Itoa(child.Process.Pid)), 0o600)
}

func (n *node) socket() string { return n.path("run/containerd.sock") }

func (n *node) dialContainerd() error {
	connection, err := net.Dial("unix", n.socket())
	if err != nil {
		return err
	}
	return connection.Close()
}

// importImages gives containerd the images of these archives, all at a time.
func (n *node) importImages(archives []string) error {
	ended := make(chan error, len(archives))
	for _, archive := range archives {
		go func() {
			output, err := exec.Command("ctr", "--address", n.socket(), "--namespace", "k8s.io", "images", "import", archive).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("import %s: %w: %s", archive, err, output)
			}
			ended <- err
		}()
	}
	var all error
	for range archives {
		all = errors.Join(all, <-ended)
	}
	return all
}
