package seal

import "io"

// HasMountOption looks for an option in a table of mounts.
func HasMountOption(mounts io.Reader, device, option string) bool {
	return hasMountOption(mounts, device, option)
}
