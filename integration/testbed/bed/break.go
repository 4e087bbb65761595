package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// broken drops what Cilium has redirected, by the mark that its flows have (see the folder cilium). The kubelet's probes go to the pod's
// own address and have none; nor have flows that kube-proxy translates.
const broken = `table inet broken {
  chain redirected { type filter hook postrouting priority 0; ct direction original ct mark 0xd0 counter drop; }
}
`

// cut refuses packets to this address at port 53, as a data path does that knows no backend: before they are translated, and replies are not
// touched.
const cut = `table inet broken {
  chain cut { type filter hook prerouting priority -150; %s daddr %s meta l4proto { tcp, udp } th dport 53 counter reject; }
}
`

// healed holds whether the node is broken or not.
const healed = "add table inet broken\ndelete table inet broken\n"

// breakPath has redirected packets of a node's clients lost on the way, whatever pod they are redirected to.
func breakPath(arguments []string) error { return setPath(arguments, healed+broken) }

// cutPath has a node's pods refused at the cluster's DNS by this address.
func cutPath(arguments []string) error {
	if len(arguments) != 2 {
		return errors.New("say which node, and from which address")
	}
	address, err := netip.ParseAddr(arguments[1])
	if err != nil {
		return err
	}
	family := "ip6"
	if address.Is4() {
		family = "ip"
	}
	return setPath(arguments[:1], healed+fmt.Sprintf(cut, family, address))
}

// mendPath ends either.
func mendPath(arguments []string) error { return setPath(arguments, healed) }

func setPath(arguments []string, rules string) error {
	if len(arguments) != 1 {
		return errors.New("say which node")
	}
	p, err := here()
	if err != nil {
		return err
	}
	n, err := p.node(arguments[0])
	if err != nil {
		return err
	}
	nft, err := n.command([]string{"net"}, "nft", "-f", "-")
	if err != nil {
		return err
	}
	nft.Stdin = strings.NewReader(rules)
	if output, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: nft: %w: %s", n.Name, err, output)
	}
	return nil
}
