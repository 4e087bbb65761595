// Command bed is a whole Kubernetes cluster on one machine, for tests: it starts the real programs, each node in namespaces of its own,
// and is also what the cluster's own pods run. People start it by integration/cluster.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// command is a subcommand: its arguments, for people, and what it does.
type command struct {
	usage string
	run   func(arguments []string) error
}

func commands() map[string]command {
	return map[string]command{
		"up":         {"[--nodes N]", up},
		"down":       {"", down},
		"status":     {"", status},
		"kubectl":    {"ARGUMENT...", kubectl},
		"in":         {"NODE|POD COMMAND...", in},
		"apiserver":  {"stop|start", apiServer},
		"cilium":     {"VERSION [NODE]", swapCilium},
		"break":      {"NODE", breakPath},
		"cut":        {"NODE ADDRESS", cutPath},
		"mend":       {"NODE", mendPath},
		"load-image": {"ARCHIVE...", loadImages},
		"image":      {"NAME OUT.tar FILE [ARGUMENT...]", writeImage},
		"pause":      {"", pause},
		"lookup":     {"NAME", lookup},
		"fetch":      {"URL", fetch},
		"ask":        {"[--help]", ask},
		// The insides of a cluster and of a node, started by up and by the cluster.
		"cluster": {"NODES", runCluster},
		"node":    {"NUMBER NODES", runNode},
	}
}

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	chosen, ok := commands()[os.Args[1]]
	if !ok {
		usage()
	}
	if err := chosen.run(os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s %s: %v\n", filepath.Base(os.Args[0]), os.Args[1], err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: bed COMMAND ...; commands:")
	all := commands()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(os.Stderr, "  %s %s\n", name, all[name].usage)
	}
	os.Exit(64)
}
