package main

import (
	"errors"
	"fmt"
	"strings"
)

// broken drops what Cilium has redirected, by the mark that its flows have (see the folder cilium). The kubelet's probes go to the pod's
// own address and have none; nor have flows that kube-proxy translates.
const broken = `table inet broken {
  chain redirected { type filter hook postrouting priority 0; ct direction original ct mark 0xd0 counter drop; }
}
`

// healed holds whether the node is broken or not.
const healed = "add table inet broken\ndelete table inet broken\n"

// breakPath has redirected packets of a node's clients lost on the way, whatever pod they are redirected to.
func breakPath(arguments []string) error { return setPath(arguments, healed+broken) }

// mendPath ends that.
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
