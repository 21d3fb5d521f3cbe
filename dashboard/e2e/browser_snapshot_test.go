package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testSnapshotNotice meets a server whose snapshots stand still, since it is a copy of the one that makes them, and then takes over.
func testSnapshotNotice(t *testing.T, c *chromium) {
	d := dirDepot(t)
	before, _, _ := crashStore(t)
	mustFootfall(t, strings.NewReader(ownerPassword+"\n"), "user", "add", ownerEmail, "--data", before)
	d.snap(t, 0, "create", "--data", before)
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(before)); err != nil {
		t.Fatal(err)
	}
	s := start(t, "serve", dir, "--config", d.config)
	awaitStatus(t, dir, regexp.MustCompile(`another instance streams`))
	for range 12 {
		send(s.URL, crashSite, "/one", firefox) // which is as from a proxy that does not say for whom
	}

	b := c.person(t)
	b.logIn(s)
	b.until(`$("snapshot-banner")?.innerText.includes("Snapshots have stopped")`, true)
	b.until(`settled()`, true)
	b.until(`$("address-banner")?.innerText.includes("that does not say whom it speaks for")`, true)
	b.look("snapshots-fenced")
	b.lookOver("checkup", func() {
		b.click(id("menu"))
		b.until(`$("places-line")?.innerText.startsWith("Countries: built in, as of 20")`, true)
		b.same(`void [...document.querySelectorAll("[role=menuitem]")].find((e) => e.innerText.includes("Check-up")).click()`, nil)
		b.until(`$("checkup")?.querySelectorAll(".problem").length >= 2 && $("checkup").innerText.includes("snapshot adopt")`, true)
	}, func() { b.shut("dialog[open]") })
	d.snap(t, 0, "adopt", "--data", dir)
	d.snap(t, 0, "drill", "--data", dir)
	b.reload()
	b.until(`settled()`, true)
	b.lookOver("snapshots", func() {
		b.click(id("menu"))
		b.until(`$("snapshot-line")?.innerText.startsWith("Restorable up to") && $("snapshot-line").innerText.includes("last proven")`, true)
	}, func() { b.shut("[role=menu]") })
	b.same(`!!$("snapshot-banner")`, false)
	b.quiet(s.URL)
}
