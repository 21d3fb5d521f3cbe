package wire

import (
	"bytes"
	"strings"

	"footfall/storage/day"
)

// DecodeUmami reads the body that programs written for Umami send: {"type": "event", "payload": {…}}. What it means in our words:
//
//	website    the site, if it is a domain; in the place of a UUID, which is nothing here, stands the hostname
//	hostname   host of the page, and of a url that has none
//	url        the page; "/" if there is none
//	referrer   the referrer
//	name       the event; without one it is a pageview
//	data       the properties; revenue and currency among them are the revenue too
//	tag        the property "tag"
//	language   the language
//	others     left out: what a screen and a title tell is not kept, and an id would follow people
//
// Of the types identify and performance nothing is to be counted, so that the hit has no domains. The error is FieldErrors.
func DecodeUmami(_ string, body []byte) (Hit, error) {
	var kind, payload value
	_, ok, _ := members(bytes.TrimPrefix(body, byteOrderMark), func(key []byte, v value) error {
		switch string(key) {
		case "type":
			kind = v
		case "payload":
			payload = v
		}
		return nil
	})
	if !ok {
		return Hit{}, FieldErrors(errBody)
	}
	var errs FieldErrors
	switch s, _ := kind.str(); {
	case s == "identify", s == "performance":
		return Hit{}, nil
	case s != "event":
		errs.add("type", "is invalid")
	}
	if payload.kind != object {
		errs.add("payload", "is required")
	}
	if errs != nil {
		return Hit{}, errs
	}
	return readUmami(payload.raw).hit()
}

// umami is the payload of a request.
type umami struct{ website, hostname, url, referrer, name, data, tag, language value }

func readUmami(payload []byte) *umami {
	var u umami
	members(payload, func(key []byte, v value) error {
		switch string(key) {
		case "website":
			u.website = v
		case "hostname":
			u.hostname = v
		case "url":
			u.url = v
		case "referrer":
			u.referrer = v
		case "name":
			u.name = v
		case "data":
			u.data = v
		case "tag":
			u.tag = v
		case "language":
			u.language = v
		}
		return nil
	})
	return &u
}

func (u *umami) hit() (Hit, error) {
	var r request
	website, _ := u.website.str()
	if isUUID(website) {
		website = ""
	}
	hostname, _ := u.hostname.str()
	if hostname == "" {
		hostname = website
	}
	if website == "" {
		website = hostname
	}
	if website != "" { // else the host of the url
		r.fields[fieldD] = value{plain, []byte(website)}
	}
	r.fields[fieldU] = u.page(hostname)
	r.fields[fieldN], r.fields[fieldR], r.fields[fieldP] = u.name, u.referrer, u.data
	if s, isText := u.name.str(); u.name.kind == absent || u.name.kind == null || isText && s == "" {
		r.fields[fieldN] = value{plain, []byte(day.Pageview)}
	}
	h, err := r.hit()
	if err != nil {
		return Hit{}, err
	}
	language, _ := u.language.str()
	h.Language = cut(language, maxText)
	h.Event.Revenue = u.revenue()
	if tag, ok := u.tag.str(); ok {
		h.Event.Props = withProp(h.Event.Props, "tag", tag)
	}
	return h, nil
}

// revenue returns the amount among the data; Umami has no other place for it.
func (u *umami) revenue() day.Revenue {
	var m money
	members(u.data.raw, func(key []byte, v value) error {
		switch string(key) {
		case "revenue":
			m.amount = v
		case "currency":
			m.currency = v
		}
		return nil
	})
	return m.revenue()
}

// page returns the URL of the page. One that is a path belongs to hostname.
func (u *umami) page(hostname string) value {
	s, isText := u.url.str()
	if !isText && u.url.kind != absent && u.url.kind != null {
		return u.url // of a wrong kind, which is said where URLs are checked
	}
	if p := parsePage(s); p.host != "" || p.scheme != "" || hostname == "" && s != "" {
		return value{plain, []byte(s)}
	}
	if !strings.HasPrefix(s, "/") {
		s = "/" + s
	}
	if hostname != "" {
		s = "//" + hostname + s
	}
	return value{plain, []byte(s)}
}

// isUUID reports whether s looks like 50429a93-8479-4073-be80-d5d29c09c2ec.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if s[i] != '-' {
				return false
			}
		} else if _, ok := unhex(s[i]); !ok {
			return false
		}
	}
	return true
}
