// Package assets holds what `make assets` has built: the dashboard, the tracking script and the data sets that
// ingestion needs. A build without them compiles; Built then says so.
package assets

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var files embed.FS

// Dist is the tree of built files: app/, tracker/ and data/.
var Dist = mustSub(files, "dist")

// Built reports whether `make assets` ran before this binary was compiled.
func Built() bool {
	_, err := fs.Stat(Dist, "app/index.html")
	return err == nil
}

func mustSub(f fs.FS, dir string) fs.FS {
	sub, err := fs.Sub(f, dir)
	if err != nil {
		panic("assets: internal error: " + err.Error())
	}
	return sub
}
