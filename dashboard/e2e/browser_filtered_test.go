package e2e_test

// testFiltered reads the demo's panel of what was not counted.
func testFiltered(b *tab) {
	fresh(b)
	const number = `(text => Number(text.replaceAll(/\D/g, "")))`
	const counts = `Object.fromEntries($$("reason").map(r => [r.dataset.name, Number(r.dataset.value)]))`
	b.until(`["bot", "no_session_for_engagement", "spam_referrer"].filter(r => !(`+counts+`[r] > 0))`, []string{})
	b.same(`/^\d+(\.\d)?% of [\d,.]+ events were not counted\.$/.test($("filtered-sum").innerText)`, true)

	// The table behind the picture has the same numbers, of all reasons and of the one that was picked.
	const shown = `[...$("filtered-table").querySelectorAll("td")].map(c => ` + number + `(c.innerText)).reduce((a, b) => a + b)`
	b.same(shown+` === Object.values(`+counts+`).reduce((a, b) => a + b)`, true)
	clickText(b, id("panel-filtered")+" button", "Spam referrers")
	b.until(shown+` === `+counts+`.spam_referrer`, true)
	b.same(`[$("filtered-table").querySelector("caption").innerText.startsWith("Spam referrers"), document.activeElement.ariaPressed]`, []any{true, "true"})
	b.look("filtered-picked")
	clickText(b, id("panel-filtered")+" button", "Spam referrers")
	b.until(shown+` > `+counts+`.spam_referrer`, true)

	month := eval[float64](b, counts+`.bot`)
	b.press("d")
	b.until(`settled() && `+counts+`.bot > 0 && !$("filtered-table")`, true) // one day is one bar: nothing to draw
	if day := eval[float64](b, counts+`.bot`); day >= month {
		b.t.Errorf("%v robots today, %v in four weeks", day, month)
	}
	b.press("l")
	b.until(`settled() && $("filtered-table").querySelectorAll("tbody tr").length`, 12)
	b.press("f")
}
