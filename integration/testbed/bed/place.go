package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// place is where a cluster lives on this machine's disk.
type place struct {
	// programs holds bed, controlplane, cilium, coredns, the images' archives (images/) and Cilium's CRDs (crds/).
	programs string
	// state holds all a running cluster writes; it is made by up and removed by the next up.
	state string
}

// here reads the place from the environment, which integration/cluster and the cluster itself set.
func here() (place, error) {
	p := place{programs: os.Getenv("BED_PROGRAMS"), state: os.Getenv("BED_STATE")}
	if !filepath.IsAbs(p.programs) || !filepath.IsAbs(p.state) {
		return p, fmt.Errorf("BED_PROGRAMS and BED_STATE must be absolute paths; integration/cluster sets them")
	}
	return p, nil
}

func (p place) program(name string) string { return filepath.Join(p.programs, name) }
func (p place) file(name string) string    { return filepath.Join(p.state, name) }

func (p place) environment() []string {
	return append(os.Environ(), "BED_PROGRAMS="+p.programs, "BED_STATE="+p.state)
}

// onOverlay is true where containerd's own overlays could not lie on the state's file system.
func (p place) onOverlay() (bool, error) {
	const overlayfs = 0x794c7630
	var fs syscall.Statfs_t
	if err := syscall.Statfs(p.state, &fs); err != nil {
		return false, fmt.Errorf("statfs %s: %w", p.state, err)
	}
	return fs.Type == overlayfs, nil
}
