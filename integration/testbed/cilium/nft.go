package main

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
)

// redirected is the mark of redirected flows, by which `bed break` finds them.
const redirected = "0xd0"

// row is a line of the frontend table, by column: Address, RedirectTo, Backends and others.
type row map[string]string

func newRow(header, cells []string) row {
	named := make(row, len(header))
	for i, column := range header {
		named[column] = cells[i]
	}
	return named
}

// datapath is what this network namespace does to packets.
type datapath struct{ rules string }

// program replaces the redirects in one transaction, where they are not what they were: Cilium's table changes more often than they do.
func (d *datapath) program(rows []row) error {
	rules := ruleset(rows)
	if rules == d.rules {
		return nil
	}
	nft := exec.Command("nft", "-f", "-")
	// nft refuses to run where real and effective uid differ, as they do in this process.
	nft.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{}}
	nft.Stdin = strings.NewReader(rules)
	if output, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s\n%s", err, output, rules)
	}
	d.rules = rules
	return nil
}

// ruleset is the table as nft reads it. New flows to a redirected frontend go to one of its backends, and to nowhere when it has none,
// as in Cilium; what is not redirected is left to kube-proxy, whose chains come later. A flow keeps the translation it began with,
// as a connected socket does under Cilium's socket load balancing.
func ruleset(rows []row) string {
	var drops, redirects, hairpins strings.Builder
	own := map[netip.Addr]bool{}
	for _, row := range rows {
		match, backends, ok := row.redirect()
		for _, backend := range backends {
			if !own[backend.Addr()] {
				own[backend.Addr()] = true
				writeHairpin(&hairpins, backend)
			}
		}
		switch {
		case !ok:
		case len(backends) == 0:
			fmt.Fprintf(&drops, "    %s drop\n", match)
		default:
			writeRedirect(&redirects, match, backends)
		}
	}
	// The chains stay, only their rules are exchanged: a packet that comes while a chain leaves its hook is translated by nobody.
	chains, filled := "", ""
	for _, hook := range []string{"prerouting", "output"} {
		chains += fmt.Sprintf("  chain drop-%s { type filter hook %s priority -160; }\n", hook, hook)
		chains += fmt.Sprintf("  chain redirect-%s { type nat hook %s priority -110; }\n", hook, hook)
		filled += fmt.Sprintf("  chain drop-%s {\n%s  }\n  chain redirect-%s {\n%s  }\n", hook, &drops, hook, &redirects)
	}
	chains += "  chain hairpin { type nat hook postrouting priority 90; }\n"
	filled += fmt.Sprintf("  chain hairpin {\n%s  }\n", &hairpins)
	return fmt.Sprintf("table inet cilium {\n%s}\nflush table inet cilium\ntable inet cilium {\n%s}\n", chains, filled)
}

// redirect says which packets a redirected frontend takes, and its backends; ok is false for a frontend that is not redirected.
func (r row) redirect() (match string, backends []netip.AddrPort, ok bool) {
	if r["RedirectTo"] == "" {
		return "", nil, false
	}
	frontend, protocol, ok := endpoint(r["Address"])
	if !ok {
		return "", nil, false
	}
	for _, text := range strings.Split(r["Backends"], ", ") {
		if backend, _, ok := endpoint(text); ok {
			backends = append(backends, backend)
		}
	}
	match = fmt.Sprintf("%s daddr %s %s dport %d", family(frontend), frontend.Addr(), protocol, frontend.Port())
	return match, backends, true
}

// endpoint reads `10.96.0.10:53/UDP` and `[fd00::a]:53/TCP`, with whatever Cilium writes behind the protocol.
func endpoint(text string) (address netip.AddrPort, protocol string, ok bool) {
	before, after, ok := strings.Cut(text, "/")
	if !ok {
		return address, "", false
	}
	address, err := netip.ParseAddrPort(before)
	protocol, _, _ = strings.Cut(after, "/")
	protocol, _, _ = strings.Cut(protocol, " ")
	return address, strings.ToLower(protocol), err == nil
}

func family(address netip.AddrPort) string {
	if address.Addr().Is4() {
		return "ip"
	}
	return "ip6"
}

// writeRedirect gives each backend an even share of new flows: the n-th of k rules takes 1/(k-n) of what reaches it.
func writeRedirect(rules *strings.Builder, match string, backends []netip.AddrPort) {
	for n, backend := range backends {
		share := ""
		if rest := len(backends) - n; rest > 1 {
			share = fmt.Sprintf("numgen random mod %d 0 ", rest)
		}
		fmt.Fprintf(rules, "    %s %sct mark set %s dnat %s to %s\n", match, share, redirected, family(backend), backend)
	}
}

// writeHairpin has a backend that is redirected to itself see another sender, for a pod takes no packet of its own from outside. Cilium
// connects the socket to the backend, or translates as here where it balances packet by packet.
func writeHairpin(rules *strings.Builder, backend netip.AddrPort) {
	address := backend.Addr()
	fmt.Fprintf(rules, "    %[1]s saddr %[2]s %[1]s daddr %[2]s ct mark %[3]s masquerade\n", family(backend), address, redirected)
}
