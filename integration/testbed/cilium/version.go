package main

import (
	"github.com/cilium/hive/cell"

	daemonk8s "github.com/cilium/cilium/daemon/k8s"
	cmtypes "github.com/cilium/cilium/pkg/clustermesh/types"
	"github.com/cilium/cilium/pkg/kpr"
	"github.com/cilium/cilium/pkg/lbipamconfig"
	"github.com/cilium/cilium/pkg/node"
	"github.com/cilium/cilium/pkg/nodeipamconfig"
)

// release is what differs from one minor release of Cilium to the next: here 1.19.
var release = cell.Group(
	daemonk8s.TablesCell, // the pods of $K8S_NODE_NAME
	node.LocalNodeStoreTestCell,
	lbipamconfig.Cell,
	nodeipamconfig.Cell,
	cell.Provide(
		func() cmtypes.ClusterInfo { return cmtypes.ClusterInfo{} },
		func() kpr.KPRConfig { return kpr.KPRConfig{KubeProxyReplacement: true} },
	),
)
