//go:build !linux

package file

func networkKind(string) string { return "" }
