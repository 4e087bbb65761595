package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// kubectl becomes kubectl, as the cluster's administrator.
func kubectl(arguments []string) error {
	p, err := here()
	if err != nil {
		return err
	}
	command, err := p.kubectlCommand(arguments...)
	if err != nil {
		return err
	}
	return become(command)
}

func (p place) kubectlCommand(arguments ...string) ([]string, error) {
	pid, err := p.pid()
	if err != nil {
		return nil, err
	}
	enter := []string{"nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", pid), p.program("controlplane"), "kubectl", "--kubeconfig", p.file("admin.kubeconfig")}
	return append(enter, arguments...), nil
}

// in becomes a command (a shell, without one) with a node's view, or with a pod's view of the network. It needs neither kubelet nor,
// once the pod is found, API server, so that what it runs outlives them.
func in(arguments []string) error {
	p, err := here()
	if err != nil {
		return err
	}
	if len(arguments) == 0 {
		return errors.New("needs the name of a node, or of a pod as NAME or NAMESPACE/NAME")
	}
	command := arguments[1:]
	if len(command) == 0 {
		command = []string{"bash"}
	}
	if err := os.Setenv("PATH", p.programs+":"+os.Getenv("PATH")); err != nil {
		return err
	}
	root, err := p.processes()
	if err != nil {
		return err
	}
	if pid, err := os.ReadFile(p.file(arguments[0] + "/pid")); err == nil {
		return become(append(enter(filepath.Join(root, string(pid)), "mnt", "net", "uts"), command...))
	}
	process, err := p.processOf(root, arguments[0])
	if err != nil {
		return err
	}
	return become(append(enter(process, "net"), command...))
}

// processes is the cluster's own /proc, in which its processes have the numbers that they know.
func (p place) processes() (string, error) {
	pid, err := p.pid()
	return fmt.Sprintf("/proc/%d/root/proc", pid), err
}

// enter is the call of nsenter for some namespaces of the process.
func enter(process string, namespaces ...string) []string {
	names := map[string]string{"mnt": "--mount", "net": "--net", "pid": "--pid", "uts": "--uts"}
	command := []string{"nsenter"}
	for _, namespace := range namespaces {
		command = append(command, names[namespace]+"="+filepath.Join(process, "ns", namespace))
	}
	return command
}

// processOf finds a process of the pod by the name of its cgroup.
func (p place) processOf(root, pod string) (string, error) {
	namespace, name, named := strings.Cut(pod, "/")
	if !named {
		namespace, name = "default", pod
	}
	command, err := p.kubectlCommand("--namespace", namespace, "get", "pod", name, "--output", "jsonpath={.metadata.uid}")
	if err != nil {
		return "", err
	}
	uid, err := exec.Command(command[0], command[1:]...).Output()
	if err != nil {
		return "", fmt.Errorf("no node and no pod %s in namespace %s: %w", name, namespace, err)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return "", err
	}
	for _, entry := range entries {
		process := filepath.Join(root, entry.Name())
		if _, err := strconv.Atoi(entry.Name()); err != nil {
			continue
		}
		if cgroup, err := os.ReadFile(filepath.Join(process, "cgroup")); err == nil && strings.Contains(string(cgroup), "/pod"+string(uid)) {
			return process, nil
		}
	}
	return "", fmt.Errorf("pod %s has no process yet", pod)
}

func become(command []string) error {
	program, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	return syscall.Exec(program, command, os.Environ())
}

// loadImages gives the images of these archives to every node.
func loadImages(archives []string) error {
	p, err := here()
	if err != nil {
		return err
	}
	if _, err := p.pid(); err != nil {
		return err
	}
	nodes, err := p.nodes()
	for _, n := range nodes {
		err = errors.Join(err, n.importImages(archives))
	}
	return err
}

// nodes are those of the running cluster.
func (p place) nodes() ([]*node, error) {
	pids, err := filepath.Glob(p.file("node*/pid"))
	nodes := make([]*node, len(pids))
	for i := range nodes {
		nodes[i] = newNode(p, i+1, len(pids))
	}
	return nodes, err
}

// node is the one of this name.
func (p place) node(name string) (*node, error) {
	nodes, err := p.nodes()
	for _, n := range nodes {
		if n.Name == name {
			return n, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("no node %s", name), err)
}

// command is one that runs with these of the node's namespaces.
func (n *node) command(namespaces []string, program ...string) (*exec.Cmd, error) {
	root, err := n.processes()
	if err != nil {
		return nil, err
	}
	pid, err := os.ReadFile(n.path("pid"))
	if err != nil {
		return nil, err
	}
	entered := append(enter(filepath.Join(root, string(pid)), namespaces...), program...)
	return exec.Command(entered[0], entered[1:]...), nil
}
