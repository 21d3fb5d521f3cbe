package agent

import (
	"strings"

	"github.com/mileusna/useragent"
)

// describe names the browser, system and device of a header that is no bot. lower is the header in lower case,
// f what was found in it.
func describe(header, lower string, f *found) Agent {
	ua := useragent.Parse(header)
	var a Agent
	a.OS, a.OSVersion = operating(header, f, &ua)
	if lib := library(header, f); lib != nil {
		a.Browser, a.BrowserVersion = lib.name, versionAfter(header, lib.mark)
		return a // a program has no screen
	}
	a.Browser, a.BrowserVersion = browser(header, a.OS, f, &ua)
	a.Device = device(header, lower, a.OS)
	return a
}

// library returns which HTTP library sent a header, or nil. A browser that happens to carry a library's mark is a browser.
func library(header string, f *found) *client {
	// "Java/" stands in the profiles of old phones too.
	if f[ofLibraries] < 0 || strings.Contains(header, "AppleWebKit/") || strings.Contains(header, "Gecko/") || strings.Contains(header, "Profile/MIDP") {
		return nil
	}
	return &libraries[f[ofLibraries]]
}

func browser(header, os string, f *found, ua *useragent.UserAgent) (name, version string) {
	if f[ofApps] >= 0 {
		return app, ""
	}
	if f[ofBrowsers] >= 0 {
		b := &browsers[f[ofBrowsers]]
		return b.name, versionAfter(header, b.mark)
	}
	has := func(mark string) bool { return strings.Contains(header, mark) }
	name = renamed[ua.Name]
	switch {
	case has("Opera Mobi"), has("Opera Tablet"):
		return "Opera", versionAfter(header, "Version/")
	case has("Trident/7"):
		return "Internet Explorer", "11.0" // what else it says is for servers that look for other browsers
	case os == "BlackBerry OS" && has("AppleWebKit/") && !has("Opera"), os == "BlackBerry Tablet OS":
		return "BlackBerry Browser", versionAfter(header, "Version/")
	case name == app:
		return app, ""
	case name == "Chrome" && os == "Android" && has("Version/"):
		return app, "" // what Android gave to apps before it said "wv"
	case name == "Safari" && os == "Android":
		return "Android Browser", versionAfter(header, "Version/")
	case name == "Safari" && !has("Safari"):
		// Only Safari itself says so.
		return app, ""
	case name == "" && (os == "iOS" || os == "iPadOS") && has("AppleWebKit/") && !has("Safari"):
		// WebKit on a phone without any browser's name.
		return app, ""
	case name == "" && has("Chrome/"):
		return "Chrome", versionAfter(header, "Chrome/")
	case name == "" && has("Version/") && has("Safari"):
		return "Safari", versionAfter(header, "Version/")
	case name == "" && has("Firefox"):
		return "Firefox", versionAfter(header, "Firefox")
	case name == "" && has("Opera"):
		return "Opera", versionAfter(header, "Opera")
	case name == "":
		return "", ""
	}
	return name, version2(ua.Version)
}

// operating returns the operating system and its version.
func operating(header string, f *found, ua *useragent.UserAgent) (name, version string) {
	if strings.Contains(header, "Silk/") && !strings.Contains(header, "PlayStation") || strings.Contains(header, "; AFT") {
		return "Fire OS", ""
	}
	if firefoxOS(header) {
		return "Firefox OS", ""
	}
	name, version = renamedOS[ua.OS], ua.OSVersion
	var s *system
	if f[ofSystems] >= 0 {
		s = &systems[f[ofSystems]]
	} else if name == "" && f[ofLastSystems] >= 0 {
		s, version = &lastSystems[f[ofLastSystems]], ""
	}
	if s != nil {
		name = s.name
		switch s.numbers {
		case unnumbered:
			version = ""
		case follows:
			version = versionAfter(header, s.mark)
		case machine:
			_, rest, _ := strings.Cut(header, s.mark)
			_, version, _ = strings.Cut(rest, " ")
		}
	}
	if name == "Windows" {
		return name, windows[version]
	}
	return name, version2(version)
}

// firefoxOS reports whether a header names Firefox, and a kind of device in the place of a system.
func firefoxOS(header string) bool {
	return (strings.HasPrefix(header, "Mozilla/5.0 (Mobile;") || strings.HasPrefix(header, "Mozilla/5.0 (Tablet;")) &&
		strings.Contains(header, "Firefox/") && !strings.Contains(header, "KAIOS/") && !strings.Contains(header, "KaiOS/")
}

func device(header, lower, os string) string {
	for _, marks := range [][]string{televisions, consoles} {
		for _, mark := range marks {
			if strings.Contains(lower, mark) {
				return Desktop
			}
		}
	}
	switch os {
	case "Windows", "Mac", "GNU/Linux", "Ubuntu", "Mint", "Fedora", "Debian", "Red Hat", "CentOS", "Mandriva", "Gentoo", "Slackware", "Chrome OS",
		"FreeBSD", "OpenBSD", "NetBSD", "Solaris", "Google TV", "Roku OS", "tvOS":
		if strings.Contains(lower, "tablet;") || strings.Contains(lower, "; tablet") {
			return Tablet
		}
		return Desktop
	case "iPadOS", "BlackBerry Tablet OS":
		return Tablet
	case "Android", "Fire OS", "HarmonyOS":
		// The convention of Android: what is not "Mobile" is a tablet.
		if strings.Contains(lower, "tablet") || !strings.Contains(header, "Mobile") && !strings.Contains(header, "Opera Mini") {
			return Tablet
		}
		return Mobile
	case "Firefox OS":
		if strings.Contains(lower, "(tablet") {
			return Tablet
		}
		return Mobile
	case "iOS", "Windows Phone", "Windows Mobile", "KaiOS", "BlackBerry OS", "Tizen", "Symbian OS", "Bada", "Brew", "MeeGo", "Maemo", "Sailfish OS", "watchOS":
		return Mobile
	}
	if strings.Contains(header, "Mobile") {
		return Mobile
	}
	return ""
}

// versionAfter returns the version that follows mark.
func versionAfter(header, mark string) string {
	_, rest, _ := strings.Cut(header, mark)
	return version2(strings.TrimLeft(rest, " /"))
}

// version2 returns the first two parts of the version that s starts with, "" if it starts with none. The result does
// not share memory with s, which would keep the header alive.
func version2(s string) string {
	major := digits(s)
	if major == 0 {
		return ""
	}
	if major == len(s) || s[major] != '.' && s[major] != '_' {
		return strings.Clone(s[:major])
	}
	minor := digits(s[major+1:])
	if minor == 0 {
		return strings.Clone(s[:major])
	}
	return s[:major] + "." + s[major+1:major+1+minor]
}

// digits returns how many digits s starts with, 0 if they are too many for a version.
func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n > maxVersionPart {
		return 0
	}
	return n
}
