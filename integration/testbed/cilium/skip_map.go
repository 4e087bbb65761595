package main

import (
	"iter"
	"net"

	lbmaps "github.com/cilium/cilium/pkg/loadbalancer/maps"
)

// noSkipMap stands for the BPF map behind skipRedirectFromBackend, a field that no policy here sets.
type noSkipMap struct{}

var _ lbmaps.SkipLBMap = noSkipMap{}

func (noSkipMap) OpenOrCreate() error { return nil }
func (noSkipMap) Close() error        { return nil }

func (noSkipMap) AddLB4(uint64, net.IP, uint16) error { return nil }
func (noSkipMap) AddLB6(uint64, net.IP, uint16) error { return nil }

func (noSkipMap) AllLB4() iter.Seq2[*lbmaps.SkipLB4Key, *lbmaps.SkipLB4Value] {
	return func(func(*lbmaps.SkipLB4Key, *lbmaps.SkipLB4Value) bool) {}
}

func (noSkipMap) AllLB6() iter.Seq2[*lbmaps.SkipLB6Key, *lbmaps.SkipLB6Value] {
	return func(func(*lbmaps.SkipLB6Key, *lbmaps.SkipLB6Value) bool) {}
}

func (noSkipMap) DeleteLB4(*lbmaps.SkipLB4Key) error { return nil }
func (noSkipMap) DeleteLB6(*lbmaps.SkipLB6Key) error { return nil }
func (noSkipMap) DeleteLB4ByAddrPort(net.IP, uint16) {}
func (noSkipMap) DeleteLB6ByAddrPort(net.IP, uint16) {}
func (noSkipMap) DeleteLB4ByNetnsCookie(uint64)      {}
func (noSkipMap) DeleteLB6ByNetnsCookie(uint64)      {}
