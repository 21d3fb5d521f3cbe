package account

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"footfall/storage/schema"
)

// Rule says which events of a site are not counted. Events that no rule speaks of are.
type Rule struct {
	ID    uint64      `json:"id"`
	Site  schema.Site `json:"site"`
	Kind  RuleKind    `json:"kind"`
	Value string      `json:"value"` // what the rule is about, cleaned by CleanRule
	Mode  RuleMode    `json:"mode"`
	Note  string      `json:"note,omitempty"` // what people wrote about it
	By    string      `json:"by"`             // who made it or changed it last, as in Entry
	Time  time.Time   `json:"time"`           // when that was
}

// RuleKind is what a rule looks at. Its names are stored and shown, so they are never changed.
type RuleKind string

// The kinds of rules. Of those that are marked one, a site has one rule at most, and a default where it has none.
const (
	RuleAddress     RuleKind = "address"      // an address or a network, as CIDR
	RuleCountry     RuleKind = "country"      // an ISO 3166-1 alpha-2 code, or UnknownCountry
	RulePage        RuleKind = "page"         // a path; * stands for any characters
	RuleHost        RuleKind = "host"         // a host that counts: where there is one of these, all others do not; * as in pages
	RuleDataCentre  RuleKind = "datacentre"   // addresses of data centres; one, off by default
	RuleSpam        RuleKind = "spam"         // referrers known for fake visits; one, dropped by default
	RuleSiteRate    RuleKind = "site_rate"    // events a minute of the whole site; one, off by default
	RuleAddressRate RuleKind = "address_rate" // events a minute of one address; one, DefaultAddressRate by default
	// RuleDevice is the link by which a browser asks not to be counted; one, in force by default. Its value is the number of the link: the one
	// before it works no more when there is a new one.
	RuleDevice RuleKind = "device"
)

// UnknownCountry stands for addresses that no database of places knows.
const UnknownCountry = "ZZ"

// RuleMode is what becomes of events that a rule speaks of.
type RuleMode string

// The modes.
const (
	ModeDrop  RuleMode = "drop"  // they are not counted
	ModeWatch RuleMode = "watch" // they are counted, and so is how many would have been dropped
	ModeOff   RuleMode = "off"   // the rule does nothing, and need not be written again to be tried another day
)

// KindInfo tells of a kind of rule.
type KindInfo struct {
	Kind    RuleKind
	One     bool     // a site has one at most
	Max     int      // rules of the kind a site may have
	Default RuleMode // of a kind of which a site has one, where it has none
	Value   string   // likewise
	Help    string
}

// RuleKinds lists the kinds of rules in the order in which people are shown them.
var RuleKinds = [...]KindInfo{
	{RuleAddress, false, MaxAddressRules, "", "", "an address or a network, such as 192.0.2.7 or 2001:db8::/32"},
	{RuleCountry, false, MaxCountryRules, "", "", "a country by its two letters, such as NL; ZZ is a country that is not known"},
	{RulePage, false, MaxPageRules, "", "", "pages, such as /admin/**, where * stands for any characters"},
	{RuleHost, false, MaxHostRules, "", "", "a host whose pages count, such as example.org or *.example.org; all others do not, once there is one"},
	{RuleDataCentre, true, 1, ModeOff, "on", "addresses of data centres"},
	{RuleSpam, true, 1, ModeDrop, "on", "referrers that are known for fake visits"},
	{RuleSiteRate, true, 1, ModeOff, strconv.Itoa(MaxRate), "more events a minute than this, of the whole site"},
	{RuleAddressRate, true, 1, ModeDrop, strconv.Itoa(DefaultAddressRate), "more events a minute than this, of one address; a /64 of IPv6 is one"},
	{RuleDevice, true, 1, ModeDrop, "0", "browsers that followed the site's link not to be counted"},
}

// Info tells of a kind; ok is false for one that this version does not know.
func (k RuleKind) Info() (info KindInfo, ok bool) {
	for _, info := range RuleKinds {
		if info.Kind == k {
			return info, true
		}
	}
	return KindInfo{}, false
}

// Rules are those of a site. They never change: a change makes others, so whoever has worked something out from them keeps it
// for as long as the Book returns the same pointer.
type Rules struct {
	list []Rule // ascending by kind as in RuleKinds, then by number
}

// NewRules returns rules that are in no book. Their values must be clean.
func NewRules(list ...Rule) *Rules {
	list = slices.Clone(list)
	slices.SortFunc(list, byKind)
	return &Rules{list}
}

// All returns the rules by kind, as in RuleKinds, the oldest first. Nobody writes to them. Rules of nil are none.
func (r *Rules) All() []Rule {
	if r == nil {
		return nil
	}
	return r.list
}

// One returns the rule of a kind of which a site has one, or, with number 0, what is in force without.
func (r *Rules) One(kind RuleKind) Rule {
	for _, one := range r.All() {
		if one.Kind == kind {
			return one
		}
	}
	info, _ := kind.Info()
	return Rule{Kind: kind, Mode: info.Default, Value: info.Value}
}

// CleanRule brings what a person typed as the value of a rule into its stored form. The error wraps ErrInvalid.
func CleanRule(kind RuleKind, value string) (string, error) {
	value = strings.TrimSpace(value)
	switch kind {
	case RuleAddress:
		return cleanAddress(value)
	case RuleCountry:
		return cleanCountry(value)
	case RulePage:
		return cleanPage(value)
	case RuleHost:
		return cleanHost(value)
	case RuleDataCentre, RuleSpam:
		return "on", nil
	case RuleSiteRate, RuleAddressRate:
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > MaxRate {
			return "", invalid("rate: %q is none; write how many events a minute are let through, from 1 to %d", value, MaxRate)
		}
		return strconv.Itoa(n), nil
	case RuleDevice:
		if n, err := strconv.ParseUint(value, 10, 32); err != nil || strconv.FormatUint(n, 10) != value {
			return "", invalid("device: its value is the number of a link")
		}
		return value, nil
	}
	return "", invalid("kind: %q is none; %s are", string(kind), kindWords())
}

func kindWords() string {
	var words []string
	for _, info := range RuleKinds {
		words = append(words, string(info.Kind))
	}
	return strings.Join(words, ", ")
}

func cleanAddress(s string) (string, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		return addr.Unmap().String(), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return "", invalid("address: %q is neither an address nor a network; write it like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32", s)
	}
	if p.Addr().Is4In6() {
		return "", invalid("address: write %q as a network of IPv4, like 192.0.2.0/24", s)
	}
	switch {
	case p.Bits() == 0:
		return "", invalid("address: %s is every address there is", s)
	case p.Masked() != p:
		return "", invalid("address: %s lies inside a network; write %s for all of it, or %s for the one address", s, p.Masked(), p.Addr())
	case p.IsSingleIP():
		return p.Addr().String(), nil
	}
	return p.String(), nil
}

func cleanCountry(s string) (string, error) {
	c := strings.ToUpper(s)
	if c == "UK" { // what many write, and no database says
		return "", invalid("country: the code of the United Kingdom is GB")
	}
	if len(c) != 2 || c[0] < 'A' || c[0] > 'Z' || c[1] < 'A' || c[1] > 'Z' {
		return "", invalid("country: %q is no code of two letters, such as NL; %s is a country that is not known", s, UnknownCountry)
	}
	return c, nil
}

func cleanPage(s string) (string, error) {
	s = strings.TrimSpace(resolve(s))
	switch {
	case !strings.HasPrefix(s, "/"):
		return "", invalid("page: it must begin with a slash, like /admin/**, where * stands for any characters")
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return "", invalid("page: it holds a character that no page has")
	case utf8.RuneCountInString(s) > MaxPattern:
		return "", invalid("page: it has more than %d characters", MaxPattern)
	case strings.Contains(s, "?"):
		return "", invalid("page: pages are counted without what follows a question mark: write the part before it")
	}
	return s, nil
}

// resolve resolves the escapes of a path as they come out of an address bar ("/caf%C3%A9"): pages are stored without. Those of letters, digits and "%" stay, so that
// what was resolved once stays what it is, and so do those of what has a meaning in a pattern.
func resolve(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if c := rune(n); err == nil && c >= ' ' && c != unicode.MaxASCII && !strings.ContainsRune("%*?", c) && (c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c)) {
				out = append(out, byte(n))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}

func cleanHost(s string) (string, error) {
	h := strings.ToLower(s)
	for before := ""; h != before; { // what was cleaned stays what it is
		before, h = h, strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(h, "https://"), "http://"), "www."), "/")
	}
	switch {
	case h == "":
		return "", invalid("host: it is empty; write it like example.org or *.example.org")
	case len(h) > MaxDomain:
		return "", invalid("host: it has more than %d characters", MaxDomain)
	case h == "(none)": // how pages without a host are counted
		return h, nil
	}
	for _, r := range h {
		if !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r > unicode.MaxASCII && unicode.IsLetter(r) || strings.ContainsRune(`-._*`, r)) {
			return "", invalid("host: only letters, digits, dashes, dots and * are possible, not %q: write it like example.org or *.example.org", r)
		}
	}
	return h, nil
}

// Check returns an error that wraps ErrInvalid unless m is a mode.
func (m RuleMode) Check() error {
	if m != ModeDrop && m != ModeWatch && m != ModeOff {
		return invalid("mode: %q is none; write drop, watch or off", string(m))
	}
	return nil
}

// clean brings a rule into its stored form.
func (r *Rule) clean() (KindInfo, error) {
	info, known := r.Kind.Info()
	value, err := CleanRule(r.Kind, r.Value)
	if err != nil || !known {
		return info, err
	}
	if err := r.Mode.Check(); err != nil {
		return info, err
	}
	if r.Note = strings.TrimSpace(r.Note); utf8.RuneCountInString(r.Note) > MaxNote || strings.ContainsFunc(r.Note, unicode.IsControl) || !utf8.ValidString(r.Note) {
		return info, invalid("note: it may have up to %d characters on one line", MaxNote)
	}
	r.Value, r.Time = value, r.Time.UTC().Truncate(time.Second)
	return info, nil
}

// Rules returns the rules of a site; nil is none. It takes no lock and allocates nothing.
func (b *Book) Rules(site schema.Site) *Rules { return b.now.Load().rules[site] }

// AddRule adds a rule, in force at once; of r it takes all but the number. Of a kind of which a site has one, it takes the place of the one there
// is. Errors wrap ErrInvalid, ErrNotFound for the site, ErrExists for a rule of that kind and value, or ErrFull.
func (b *Book) AddRule(ctx context.Context, r Rule) (Rule, error) {
	info, err := r.clean()
	if err != nil {
		return Rule{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.now.Load().sites[r.Site]; !ok {
		return Rule{}, fmt.Errorf("site %d: %w", r.Site, ErrNotFound)
	}
	same := 0
	for _, old := range b.Rules(r.Site).All() {
		switch {
		case old.Kind != r.Kind:
		case info.One:
			r.ID = old.ID
			return r, b.putRuleLocked(ctx, r, DidChangeRule)
		case old.Value == r.Value:
			return Rule{}, fmt.Errorf("rule %d is about %s %s: it %w", old.ID, r.Kind, r.Value, ErrExists)
		default:
			same++
		}
	}
	if same >= info.Max {
		return Rule{}, fmt.Errorf("add rule: %w: a site has %d rules about %s at most", ErrFull, info.Max, info.Kind)
	}
	numbers, err := b.numberLocked(ctx, func(c *counters) { c.Rule++ })
	if err != nil {
		return Rule{}, fmt.Errorf("number rule: %w", err)
	}
	r.ID = numbers.Rule
	return r, b.putRuleLocked(ctx, r, DidAddRule)
}

// ChangeRule changes mode, note, or value of a rule, in force at once. change may change nothing else; By and Time it should. Errors wrap
// ErrInvalid, ErrExists or ErrNotFound.
func (b *Book) ChangeRule(ctx context.Context, site schema.Site, id uint64, change func(*Rule)) (Rule, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, err := b.ruleLocked(site, id)
	if err != nil {
		return Rule{}, err
	}
	r := old
	change(&r)
	r.ID, r.Site, r.Kind = old.ID, old.Site, old.Kind
	if _, err := r.clean(); err != nil {
		return Rule{}, err
	}
	for _, other := range b.Rules(site).All() {
		if other.ID != id && other.Kind == r.Kind && other.Value == r.Value {
			return Rule{}, fmt.Errorf("rule %d is about %s %s: it %w", other.ID, r.Kind, r.Value, ErrExists)
		}
	}
	return r, b.putRuleLocked(ctx, r, DidChangeRule)
}

// RemoveRule removes a rule, and it is in force no more at once. by and at are for the audit log. Errors wrap ErrNotFound.
func (b *Book) RemoveRule(ctx context.Context, site schema.Site, id uint64, by string, at time.Time) (Rule, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.ruleLocked(site, id)
	if err != nil {
		return Rule{}, err
	}
	c := b.changeLocked()
	c.next.rules = withoutRule(c.next.rules, r)
	c.delete(numberKey(kindRule, id))
	was := r
	was.By, was.Time = by, at.UTC().Truncate(time.Second)
	if c.done, err = b.ruleEntry(ctx, was, DidRemoveRule); err != nil {
		return Rule{}, err
	}
	if err := c.commit(ctx); err != nil {
		return Rule{}, fmt.Errorf("remove rule: %w", err)
	}
	return r, nil
}

func (b *Book) ruleLocked(site schema.Site, id uint64) (Rule, error) {
	for _, r := range b.Rules(site).All() {
		if r.ID == id {
			return r, nil
		}
	}
	return Rule{}, fmt.Errorf("rule %d: %w", id, ErrNotFound)
}

func (b *Book) putRuleLocked(ctx context.Context, r Rule, did string) (err error) {
	c := b.changeLocked()
	c.next.rules = withRule(c.next.rules, r)
	c.put(numberKey(kindRule, r.ID), r)
	if c.done, err = b.ruleEntry(ctx, r, did); err != nil {
		return err
	}
	if err := c.commit(ctx); err != nil {
		return fmt.Errorf("store rule: %w", err)
	}
	return nil
}

func (b *Book) ruleEntry(ctx context.Context, r Rule, did string) (*Entry, error) {
	e := &Entry{Time: r.Time, By: r.By, Did: did, Site: r.Site, Domain: b.now.Load().sites[r.Site].Domain, Rule: r.ID}
	return e, b.number(ctx, e)
}

// withRule returns rules with r in the place of one of its number, or added.
func withRule(rules map[schema.Site]*Rules, r Rule) map[schema.Site]*Rules {
	return with(rules, r.Site, NewRules(append(rules[r.Site].allBut(r.ID), r)...))
}

func withoutRule(rules map[schema.Site]*Rules, r Rule) map[schema.Site]*Rules {
	list := rules[r.Site].allBut(r.ID)
	if len(list) == 0 {
		return without(rules, r.Site)
	}
	return with(rules, r.Site, &Rules{list})
}

// allBut returns a list of its own, without the rule of a number.
func (r *Rules) allBut(id uint64) []Rule {
	return slices.DeleteFunc(slices.Clone(r.All()), func(one Rule) bool { return one.ID == id })
}

func byKind(x, y Rule) int {
	return cmp.Or(cmp.Compare(kindIndex(x.Kind), kindIndex(y.Kind)), cmp.Compare(x.ID, y.ID))
}

func kindIndex(k RuleKind) int {
	return slices.IndexFunc(RuleKinds[:], func(info KindInfo) bool { return info.Kind == k })
}
