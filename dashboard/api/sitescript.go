package api

import (
	"fmt"
	"strings"

	"footfall/storage/account"
)

// scriptAnswer is account.Script, with all that it does not do.
type scriptAnswer struct {
	ID              string `json:"id"` // it is served as /js/ID.js
	OutboundLinks   bool   `json:"outbound_links"`
	FileDownloads   bool   `json:"file_downloads"`
	FormSubmissions bool   `json:"form_submissions"`
	Hash            bool   `json:"hash"`
}

// scriptChange is what somebody asks to change of it; what is nil stays.
type scriptChange struct {
	OutboundLinks   *bool `json:"outbound_links"`
	FileDownloads   *bool `json:"file_downloads"`
	FormSubmissions *bool `json:"form_submissions"`
	Hash            *bool `json:"hash"`
}

func (c *scriptChange) apply(to *account.Script) {
	for _, setting := range []struct{ from, to *bool }{
		{c.OutboundLinks, &to.OutboundLinks}, {c.FileDownloads, &to.FileDownloads}, {c.FormSubmissions, &to.FormSubmissions}, {c.Hash, &to.Hash},
	} {
		if setting.from != nil {
			*setting.to = *setting.from
		}
	}
}

// scriptSetting is a word of `footfall site set --script`, as in a script's name.
type scriptSetting struct {
	name string
	on   *bool
}

func scriptSettings(s *account.Script) []scriptSetting {
	return []scriptSetting{{"outbound-links", &s.OutboundLinks}, {"file-downloads", &s.FileDownloads}, {"form-submissions", &s.FormSubmissions}, {"hash", &s.Hash}}
}

// parseScript reads the words of --script, which are all that the script is to do.
func parseScript(words []string) (account.Script, error) {
	var script account.Script
	settings := scriptSettings(&script)
	for _, word := range words {
		known := word == "none" && len(words) == 1
		for _, s := range settings {
			if s.name == word {
				*s.on, known = true, true
			}
		}
		if !known {
			return script, fmt.Errorf("--script %s: write some of outbound-links, file-downloads, form-submissions, hash with commas between, or none", strings.Join(words, ","))
		}
	}
	return script, nil
}

// sentence says what a site's own script does.
func (s scriptAnswer) sentence() string {
	var on []string
	script := account.Script(s)
	for _, setting := range scriptSettings(&script) {
		if *setting.on {
			on = append(on, setting.name)
		}
	}
	if on == nil {
		on = []string{"pageviews and what the page calls"}
	}
	return fmt.Sprintf("/js/%s.js counts %s", s.ID, strings.Join(on, ", "))
}
