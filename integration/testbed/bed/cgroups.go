package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const cgroups = "/sys/fs/cgroup"

// cgroup is below which all of this cluster's processes are accounted; two clusters at a time have two of them.
func (p place) cgroup() string {
	return fmt.Sprintf("bed-%x", sha256.Sum256([]byte(p.state)))[:12]
}

// hierarchies are the roots in which a kubelet wants its cgroup: one of version 2, or each controller's of version 1.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroups, "cgroup.controllers")); err == nil {
		return []string{cgroups}, nil
	}
	procs, err := filepath.Glob(filepath.Join(cgroups, "*", "cgroup.procs"))
	var roots []string
	for _, file := range procs {
		if root := filepath.Dir(file); filepath.Base(root) != "unified" {
			roots = append(roots, root)
		}
	}
	return roots, err
}

// makeCgroup returns the node's cgroup, as a kubelet wants it named.
func (p place) makeCgroup(node string) (string, error) {
	roots, err := hierarchies()
	if err != nil {
		return "", err
	}
	for _, root := range roots {
		parent := root
		for _, name := range []string{p.cgroup(), node} {
			child := filepath.Join(parent, name)
			if err := os.MkdirAll(child, 0o755); err != nil {
				return "", err
			}
			if err := inheritCpuset(parent, child); err != nil {
				return "", err
			}
			parent = child
		}
	}
	return "/" + p.cgroup() + "/" + node, nil
}

// inheritCpuset gives a version 1 cpuset the processors of its parent: it begins without any and then takes no process.
func inheritCpuset(parent, child string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, file))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(child, file), value, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups waits for the last processes in them to be gone.
func (p place) removeCgroups() error {
	return until("removal of cgroups", 5*time.Second, func() error {
		trees, err := filepath.Glob(filepath.Join(cgroups, "*", p.cgroup()))
		for _, tree := range append(trees, filepath.Join(cgroups, p.cgroup())) {
			err = errors.Join(err, removeTree(tree))
		}
		return err
	})
}

// removeTree removes directories from the innermost outwards; the files of a cgroup go with its directory.
func removeTree(tree string) error {
	var found []string
	err := filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			found = append(found, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	for i := len(found) - 1; i >= 0; i-- {
		if gone := syscall.Rmdir(found[i]); gone != nil && !errors.Is(gone, syscall.ENOENT) {
			err = errors.Join(err, fmt.Errorf("rmdir %s: %w", found[i], gone))
		}
	}
	return err
}
