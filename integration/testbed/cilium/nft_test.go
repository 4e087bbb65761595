package main

import (
	"strings"
	"testing"
)

func count(t *testing.T, rules, line string, times int) {
	t.Helper()
	if found := strings.Count(rules, line); found != times {
		t.Errorf("%q stands %d times, not %d, in\n%s", line, found, times, rules)
	}
}

func TestARedirectedFrontendGoesToItsBackends(t *testing.T) {
	rules := ruleset([]row{
		{"Address": "10.96.0.10:53/UDP", "RedirectTo": "kube-system/doorstep:local-redirect", "Backends": "10.200.1.7:53/UDP (dns)"},
		{"Address": "[fd00:96::a]:53/TCP", "RedirectTo": "kube-system/doorstep:local-redirect", "Backends": "[fd00:200:1::7]:53/TCP (dns-tcp)"},
	})
	count(t, rules, "ip daddr 10.96.0.10 udp dport 53 ct mark set 0xd0 dnat ip to 10.200.1.7:53\n", 2)
	count(t, rules, "ip6 daddr fd00:96::a tcp dport 53 ct mark set 0xd0 dnat ip6 to [fd00:200:1::7]:53\n", 2)
	count(t, rules, "ip saddr 10.200.1.7 ip daddr 10.200.1.7 ct mark 0xd0 masquerade\n", 1)
	count(t, rules, " drop\n", 0)
}

func TestARedirectWithoutABackendIsABlackHole(t *testing.T) {
	rules := ruleset([]row{{"Address": "10.96.0.10:53/TCP", "RedirectTo": "kube-system/doorstep:local-redirect"}})
	count(t, rules, "ip daddr 10.96.0.10 tcp dport 53 drop\n", 2)
	count(t, rules, "dnat", 0)
}

func TestWhatIsNotRedirectedIsLeftAlone(t *testing.T) {
	rules := ruleset([]row{{"Address": "10.96.0.1:443/TCP", "Backends": "10.200.0.1:6443/TCP"}})
	count(t, rules, "10.96.0.1", 0)
}

func TestBackendsShareEvenly(t *testing.T) {
	backends := "10.200.1.7:53/UDP, 10.200.1.8:53/UDP, 10.200.1.9:53/UDP"
	rules := ruleset([]row{{"Address": "10.96.0.10:53/UDP", "RedirectTo": "x", "Backends": backends}})
	count(t, rules, "numgen random mod 3 0 ct mark set 0xd0 dnat ip to 10.200.1.7:53\n", 2)
	count(t, rules, "numgen random mod 2 0 ct mark set 0xd0 dnat ip to 10.200.1.8:53\n", 2)
	count(t, rules, "dport 53 ct mark set 0xd0 dnat ip to 10.200.1.9:53\n", 2)
}
