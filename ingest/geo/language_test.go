package geo_test

import (
	"testing"

	"footfall/ingest/geo"
)

func TestLanguage(t *testing.T) {
	for header, want := range map[string]string{
		"en-GB,en;q=0.9":                "en-GB",
		"de":                            "de",
		"DE-at":                         "de-AT",
		"en;q=0.8, fr-CH, *;q=0.5":      "fr-CH",
		"en;q=0.8,fr;q=0.8":             "en",
		"fr;q=0.1,en;q=0.25,de;q=0.249": "en",
		"zh-Hant-TW":                    "zh-TW",
		"zh-Hans":                       "zh",
		"zh-yue-HK":                     "zh-HK",
		"sr-Latn-RS-u-co-phonebk":       "sr-RS",
		"de-1996":                       "de",
		"de-DE-1996":                    "de-DE",
		"es-419,es;q=0.9":               "es-419",
		"fil-PH":                        "fil-PH",
		"en-US;q=1.000":                 "en-US",
		"en-US ; q=0.5 , de ; Q=0.7":    "de",
		"*":                             "",
		"*,nl;q=0.2":                    "nl",
		"en;q=0":                        "",
		"en;q=2":                        "",
		"en;q=0.12345,it;q=0.1":         "it",
		"en;level=1":                    "",
		"":                              "",
		",,;;":                          "",
		"x-klingon":                     "",
		"i-navajo":                      "",
		"e":                             "",
		"english":                       "",
		"en--GB":                        "",
		"en-averylongsubtag":            "",
		"en_GB":                         "",
		"../../etc/passwd":              "",
		"jane@example.org, da;q=0.1":    "da",
		"<script>alert(1)</script>":     "",
		"en-GB\r\nX-Injected: 1":        "",
	} {
		if got := geo.Language(header); got != want {
			t.Errorf("Language(%q) = %q, want %q", header, got, want)
		}
	}
}

func FuzzLanguage(f *testing.F) {
	f.Add("en-GB,en;q=0.9")
	f.Add("zh-yue-Hant-HK;q=0.123, *;q=0.1")
	f.Fuzz(func(t *testing.T, header string) {
		got := geo.Language(header)
		if len(got) > len("fil-419") {
			t.Errorf("Language(%q) = %q is too long", header, got)
		}
		if again := geo.Language(got); again != got {
			t.Errorf("Language(%q) = %q, of that %q", header, got, again)
		}
	})
}

func BenchmarkLanguage(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		geo.Language("de-CH,de;q=0.9,en;q=0.8,fr;q=0.7")
	}
}
