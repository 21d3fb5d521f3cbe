package agent

import (
	"strings"

	"github.com/mileusna/useragent"
)

// describe names the browser, system and device of a header that is no bot. lower is the header in lower case.
func describe(header, lower string) Agent {
	if lib := library(header); lib != nil {
		return Agent{Browser: lib.name, BrowserVersion: versionAfter(header, lib.mark)}
	}
	ua := useragent.Parse(header)
	var a Agent
	a.Browser, a.BrowserVersion = browser(header, &ua)
	a.OS, a.OSVersion = system(header, &ua)
	a.Device = device(header, lower, a.OS)
	return a
}

// library returns which HTTP library sent a header, or nil. A browser that happens to carry a library's mark is a browser.
func library(header string) *client {
	if strings.Contains(header, "AppleWebKit/") || strings.Contains(header, "Gecko/") {
		return nil
	}
	return find(header, libraries)
}

func find(header string, table []client) *client {
	for i := range table {
		if strings.Contains(header, table[i].mark) {
			return &table[i]
		}
	}
	return nil
}

func browser(header string, ua *useragent.UserAgent) (name, version string) {
	for _, mark := range apps {
		if strings.Contains(header, mark) {
			return app, ""
		}
	}
	if b := find(header, browsers); b != nil {
		return b.name, versionAfter(header, b.mark)
	}
	name = renamed[ua.Name]
	switch {
	case name == app:
		return app, ""
	case name == "Safari" && !strings.Contains(header, "Safari/"):
		// Only Safari itself says so.
		return app, ""
	case name == "" && ua.OS == useragent.IOS && strings.Contains(header, "AppleWebKit/"):
		// WebKit on a phone without any browser's name.
		return app, ""
	case name == "" && strings.Contains(header, "Trident/7"):
		return "Internet Explorer", "11.0"
	case name == "" && strings.Contains(header, "Chrome/"):
		return "Chrome", versionAfter(header, "Chrome/")
	case name == "" && strings.Contains(header, "Version/") && strings.Contains(header, "Safari/"):
		return "Safari", versionAfter(header, "Version/")
	case name == "":
		return "", ""
	}
	return name, version2(ua.Version)
}

func system(header string, ua *useragent.UserAgent) (name, version string) {
	name, version = renamedOS[ua.OS], ua.OSVersion
	if strings.Contains(header, "Android") && (strings.Contains(header, "Silk/") || strings.Contains(header, "; AFT")) {
		return "Fire OS", ""
	}
	if s := find(header, systems); s != nil {
		name = s.name
		// The library found the version of those it knows by another name.
		switch name {
		case "iPadOS":
		case "Chrome OS":
			// "CrOS x86_64 14541.0.0": the machine stands in between.
			_, rest, _ := strings.Cut(header, s.mark)
			_, version, _ = strings.Cut(rest, " ")
		case "Ubuntu", "Fedora", "Debian", "Xbox", "Solaris", "webOS", "tvOS":
			version = ""
		default:
			version = versionAfter(header, s.mark)
		}
	}
	if name == "Windows" {
		return name, windows[version]
	}
	return name, version2(version)
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
	case "Windows", "Mac", "GNU/Linux", "Ubuntu", "Fedora", "Debian", "Chrome OS", "FreeBSD", "OpenBSD", "NetBSD", "Solaris":
		if strings.Contains(lower, "tablet;") || strings.Contains(lower, "; tablet") {
			return Tablet
		}
		return Desktop
	case "iPadOS":
		return Tablet
	case "Android", "Fire OS", "HarmonyOS":
		// The convention of Android: what is not "Mobile" is a tablet.
		if strings.Contains(lower, "tablet") || !strings.Contains(header, "Mobile") && !strings.Contains(header, "Opera Mini") {
			return Tablet
		}
		return Mobile
	case "iOS", "Windows Phone", "KaiOS", "BlackBerry OS", "Tizen":
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
