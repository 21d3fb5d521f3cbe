package e2e_test

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// testPixel counts pages in a browser that runs no scripts, and shows the image even where nothing is counted.
func (m *market) testPixel(t *testing.T) {
	p := m.stall(t, "noscript.example", ownScript+`<noscript><img id="seen" src="{server}/pixel.gif?d={site}" referrerpolicy="no-referrer-when-downgrade" alt="" width="1" height="1">
		<img id="wrong" src="{server}/pixel.gif?u=data:,x" alt=""></noscript>`)
	if _, err := chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	p.visit("/first?utm_source=letter")
	p.untilStored("pageview /first")
	p.click("#pricing")
	p.untilStored("pageview /first", "pageview /pricing")
	p.until(`["seen", "wrong"].map(id => document.getElementById(id).naturalWidth)`, []int{1, 1})
	p.untilVisits("1,2,0")
	p.forgive(t, "400")
	p.leftNothing()
	p.quiet(p.origin(p.site), p.s.URL)
	p.askedOnly(p.s, "GET /pixel.gif?d="+p.site, "GET /pixel.gif?u=data:,x")
}
