package main

import (
	"fmt"
	"os/exec"
	"strings"
)

// The cluster's addresses. All of them live in a network namespace of the cluster's own, so that they collide with nothing outside.
const (
	hostIPv4     = "10.200.0.1" // API server, the world's DNS, and the nodes' gateway
	hostIPv6     = "fd00:200::1"
	apiPort      = "6443"
	serviceCIDRs = "10.96.0.0/16,fd00:96::/108"
	dnsIPv4      = "10.96.0.10"
	dnsIPv6      = "fd00:96::a"
	bridge       = "nodes"
)

// nodeAddresses is what follows from a node's number, counted from 1.
type nodeAddresses struct {
	IPv4, IPv6         string
	PodsIPv4, PodsIPv6 string
}

func addressesOf(number int) nodeAddresses {
	return nodeAddresses{
		IPv4:     fmt.Sprintf("10.200.0.%d", 10+number),
		IPv6:     fmt.Sprintf("fd00:200::%d", 10+number),
		PodsIPv4: fmt.Sprintf("10.200.%d.0/24", number),
		PodsIPv6: fmt.Sprintf("fd00:200:%d::/64", number),
	}
}

// ip runs iproute2, once a line.
func ip(lines ...string) error {
	for _, line := range lines {
		if output, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, output)
		}
	}
	return nil
}

// raiseBridge makes what the nodes are plugged into.
func raiseBridge() error {
	return ip(
		"link set lo up",
		"link add "+bridge+" type bridge",
		"link set "+bridge+" up",
		"addr add "+hostIPv4+"/24 dev "+bridge,
		"addr add "+hostIPv6+"/64 dev "+bridge+" nodad",
	)
}

// plugIn gives the namespaces of process pid an eth0, and makes the node's pods reachable from the cluster's own namespace.
func plugIn(node string, number, pid int) error {
	a := addressesOf(number)
	return ip(
		fmt.Sprintf("link add %s type veth peer name eth0 netns %d", node, pid),
		fmt.Sprintf("link set %s master %s up", node, bridge),
		fmt.Sprintf("route add %s via %s", a.PodsIPv4, a.IPv4),
		fmt.Sprintf("-6 route add %s via %s", a.PodsIPv6, a.IPv6),
	)
}

// raiseNode sets up eth0 from inside the node, and its ways to the pods of the others.
func raiseNode(number, nodes int) error {
	a := addressesOf(number)
	lines := []string{
		"link set lo up",
		"addr add " + a.IPv4 + "/24 dev eth0",
		"addr add " + a.IPv6 + "/64 dev eth0 nodad",
		"link set eth0 up",
		"route add default via " + hostIPv4,
		"-6 route add default via " + hostIPv6,
	}
	for other := 1; other <= nodes; other++ {
		if other != number {
			o := addressesOf(other)
			lines = append(lines, "route add "+o.PodsIPv4+" via "+o.IPv4, "-6 route add "+o.PodsIPv6+" via "+o.IPv6)
		}
	}
	return ip(lines...)
}
