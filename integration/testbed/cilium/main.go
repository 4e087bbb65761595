// Command cilium is what Cilium decides on one node, without its BPF: the real service and CiliumLocalRedirectPolicy control plane,
// fed by a real API server. It prints the frontend table as a line of JSON after every change, and with --nft makes the network
// namespace it runs in translate packets as the table says.
//
//	K8S_NODE_NAME=node1 cilium --nft --k8s-kubeconfig-path FILE
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/cilium/hive/cell"
	"github.com/cilium/hive/job"
	"github.com/cilium/statedb"
	"github.com/spf13/pflag"

	daemonk8s "github.com/cilium/cilium/daemon/k8s"
	"github.com/cilium/cilium/pkg/datapath/tables"
	envoy "github.com/cilium/cilium/pkg/envoy/config"
	"github.com/cilium/cilium/pkg/hive"
	"github.com/cilium/cilium/pkg/k8s/client"
	"github.com/cilium/cilium/pkg/loadbalancer"
	lbcell "github.com/cilium/cilium/pkg/loadbalancer/cell"
	"github.com/cilium/cilium/pkg/loadbalancer/redirectpolicy"
	"github.com/cilium/cilium/pkg/maglev"
	"github.com/cilium/cilium/pkg/metrics"
	"github.com/cilium/cilium/pkg/option"
	"github.com/cilium/cilium/pkg/source"
)

var translate = pflag.Bool("nft", false, "translate packets of this network namespace as the table says")

func main() {
	// A real uid of 0 makes Cilium open BPF maps; any other leaves it with maps in memory. The effective uid reads the kubeconfig.
	if os.Getuid() == 0 {
		if err := syscall.Setreuid(65534, 0); err != nil {
			fail(err)
		}
	}
	agent := hive.New(
		client.Cell,
		daemonk8s.ResourcesCell,
		maglev.Cell,
		metrics.Cell,
		release,
		lbcell.Cell,
		cell.Config(envoy.SecretSyncConfig{}),
		cell.Provide(
			source.NewSources,
			tables.NewNodeAddressTable,
			statedb.RWTable[tables.NodeAddress].ToTable,
			func() *option.DaemonConfig {
				return &option.DaemonConfig{EnableIPv4: true, EnableIPv6: true, EnableLocalRedirectPolicy: true}
			},
			func() *loadbalancer.TestConfig { return &loadbalancer.TestConfig{} },
			func() redirectpolicy.TestSkipLBMap { return noSkipMap{} },
		),
		cell.Invoke(followFrontends),
	)
	agent.RegisterFlags(pflag.CommandLine)
	pflag.Parse()
	if err := agent.Run(slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "cilium:", err)
	os.Exit(1)
}

// followFrontends prints and applies the frontend table, once the cluster is read and whenever it has changed.
func followFrontends(jobs job.Group, db *statedb.DB, frontends statedb.Table[*loadbalancer.Frontend]) {
	out := json.NewEncoder(os.Stdout)
	path := &datapath{}
	jobs.Add(job.OneShot("follow-frontends", func(ctx context.Context, _ cell.Health) error {
		// As Cilium does: until then the redirects of the one before stay as they are.
		_, read := frontends.Initialized(db.ReadTxn())
		select {
		case <-read:
		case <-time.After(time.Minute):
		case <-ctx.Done():
			return nil
		}
		for {
			all, changed := frontends.AllWatch(db.ReadTxn())
			var rows []row
			for frontend := range all {
				rows = append(rows, newRow(frontend.TableHeader(), frontend.TableRow()))
			}
			if err := out.Encode(rows); err != nil {
				return err
			}
			if *translate {
				if err := path.program(rows); err != nil {
					return err
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return nil
			}
		}
	}))
}
