//go:build !linux

package main

// relax does nothing: only Linux has what it is for.
func relax() {}
