package main

import (
	"github.com/cilium/hive/cell"

	cmtypes "github.com/cilium/cilium/pkg/clustermesh/types"
	k8stables "github.com/cilium/cilium/pkg/k8s/tables"
	"github.com/cilium/cilium/pkg/kpr"
	"github.com/cilium/cilium/pkg/lbipamconfig"
	"github.com/cilium/cilium/pkg/node"
	"github.com/cilium/cilium/pkg/nodeipamconfig"
)

// release is what is 1.20's own: its tables of Kubernetes objects have a package to themselves.
var release = cell.Group(
	k8stables.TablesCell, // the pods of $K8S_NODE_NAME
	node.LocalNodeStoreTestCell,
	lbipamconfig.Cell,
	nodeipamconfig.Cell,
	cell.Provide(
		func() cmtypes.ClusterInfo { return cmtypes.ClusterInfo{} },
		func() kpr.KPRConfig { return kpr.KPRConfig{KubeProxyReplacement: true} },
	),
)
