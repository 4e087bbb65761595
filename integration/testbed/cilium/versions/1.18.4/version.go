package main

import (
	"github.com/cilium/hive/cell"
	"github.com/cilium/statedb"

	daemonk8s "github.com/cilium/cilium/daemon/k8s"
	"github.com/cilium/cilium/pkg/datapath/tables"
	"github.com/cilium/cilium/pkg/kpr"
	"github.com/cilium/cilium/pkg/node"
	"github.com/cilium/cilium/pkg/option"
)

// release is what is 1.18's own: its switch for kube-proxy's replacement does not imply NodePort, and this release's statedb leaves it to
// its users to register a table.
var release = cell.Group(
	daemonk8s.TablesCell, // the pods of $K8S_NODE_NAME
	node.LocalNodeStoreCell,
	cell.Provide(
		func() kpr.KPRConfig {
			return kpr.KPRConfig{EnableNodePort: true, KubeProxyReplacement: option.KubeProxyReplacementTrue}
		},
	),
	cell.Invoke(statedb.RegisterTable[tables.NodeAddress]),
)
