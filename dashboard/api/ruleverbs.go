package api

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"footfall/storage/account"
	"footfall/storage/query"
	"footfall/storage/schema"
	"footfall/storage/verb"
)

// RuleAbout names what rules are about.
type RuleAbout struct {
	BlockAddress []string `sep:"none" placeholder:"ADDRESS" help:"Do not count this address or network, such as 192.0.2.7 or 2001:db8::/32."`
	BlockCountry []string `sep:"none" placeholder:"CODE" help:"Do not count this country, by its two letters; ZZ is a country that is not known."`
	BlockPage    []string `sep:"none" placeholder:"PATH" help:"Do not count these pages, such as '/admin/**'; * stands for any characters."`
	OnlyHost     []string `sep:"none" placeholder:"HOST" help:"Count only pages on this host, such as example.org or '*.example.org', and on others named so."`
}

func (v *RuleAbout) empty() bool {
	return len(v.BlockAddress)+len(v.BlockCountry)+len(v.BlockPage)+len(v.OnlyHost) == 0
}

// rules returns what is named, in the order in which it is listed.
func (v *RuleAbout) rules() (list []account.Rule, err error) {
	for _, some := range []struct {
		kind   account.RuleKind
		values []string
	}{{account.RuleAddress, v.BlockAddress}, {account.RuleCountry, v.BlockCountry}, {account.RulePage, v.BlockPage}, {account.RuleHost, v.OnlyHost}} {
		for _, value := range some.values {
			if value, err = account.CleanRule(some.kind, value); err != nil {
				return nil, verb.Exit(verb.ExitUsage, err)
			}
			list = append(list, account.Rule{Kind: some.kind, Value: value})
		}
	}
	if v.empty() {
		return nil, verb.Exit(verb.ExitUsage, errors.New("say what not to count: --block-address, --block-country or --block-page, or what alone to count: --only-host"))
	}
	return list, nil
}

// ShieldAdd is `footfall shield add`.
type ShieldAdd struct {
	Site string `required:"" help:"Domain of the site." placeholder:"DOMAIN"`
	RuleAbout
	Watch bool   `help:"Drop nothing, only count what would be dropped."`
	Note  string `help:"What the rules are for." placeholder:"TEXT"`
}

// Run adds rules, which are in force at once.
func (v *ShieldAdd) Run(c *verb.Context) error {
	site, err := c.Site(v.Site)
	if err != nil {
		return err
	}
	list, err := v.rules()
	if err != nil {
		return err
	}
	answers := []ruleAnswer{}
	for _, r := range list {
		r.Site, r.Mode, r.Note, r.By, r.Time = site.ID, account.ModeDrop, v.Note, verb.CommandLine, c.Now()
		if v.Watch {
			r.Mode = account.ModeWatch
		}
		if r, err = c.Store.Accounts().AddRule(c.Context, r); err != nil {
			break
		}
		answers = append(answers, describeRule(r, nil))
	}
	if errPrint := printRules(c, answers); err == nil {
		err = errPrint
	}
	return shieldError("add rule", err)
}

// printRules says what becomes of what rules are about.
func printRules(c *verb.Context, answers []ruleAnswer) error {
	if c.JSON {
		return c.PrintJSON(answers)
	}
	for _, a := range answers {
		if _, err := fmt.Fprintf(c.Out, "rule %d: %s\n", a.ID, a.sentence()); err != nil {
			return err
		}
	}
	return nil
}

func shieldError(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, account.ErrInvalid), errors.Is(err, query.ErrInvalid):
		return verb.Exit(verb.ExitUsage, fmt.Errorf("%s: %w", what, err))
	case errors.Is(err, account.ErrNotFound):
		return verb.Exit(verb.ExitMissing, fmt.Errorf("%s: %w: `footfall shield list` shows those there are", what, err))
	}
	return fmt.Errorf("%s: %w", what, err)
}

// ShieldSet is `footfall shield set`.
type ShieldSet struct {
	Site        string `required:"" help:"Domain of the site." placeholder:"DOMAIN"`
	Rule        uint64 `help:"Number of a rule, whose --mode or --note changes." placeholder:"NUMBER"`
	Mode        string `help:"drop, watch (count what would be dropped) or off." placeholder:"MODE"`
	Note        string `help:"What the rule is for." placeholder:"TEXT"`
	Spam        string `help:"Referrers that are known for fake visits: drop (the default), watch or off." placeholder:"MODE"`
	Datacentres string `help:"Addresses of data centres: drop, watch or off (the default)." placeholder:"MODE"`
	SiteRate    string `help:"Drop more events a minute than this; off (the default) lets all through. --mode watch only counts them." placeholder:"NUMBER"`
	AddressRate string `help:"Likewise of one address; off lets all through." placeholder:"NUMBER"`
	Devices     string `help:"Browsers that followed the link not to be counted: drop (the default), watch or off." placeholder:"MODE"`
}

// Run changes rules, which are in force at once.
func (v *ShieldSet) Run(c *verb.Context) error {
	site, err := c.Site(v.Site)
	if err != nil {
		return err
	}
	book := c.Store.Accounts()
	changed, err := v.switches(book.Rules(site.ID))
	if err != nil {
		return err
	}
	answers := []ruleAnswer{}
	for _, r := range changed {
		r.Site, r.By, r.Time = site.ID, verb.CommandLine, c.Now()
		if r, err = book.AddRule(c.Context, r); err != nil {
			return shieldError("change rule", err)
		}
		answers = append(answers, describeRule(r, nil))
		if r.Kind == account.RuleDataCentre && r.Mode != account.ModeOff {
			noteRules(c)
		}
	}
	if v.Rule != 0 {
		r, err := book.ChangeRule(c.Context, site.ID, v.Rule, func(r *account.Rule) {
			r.By, r.Time = verb.CommandLine, c.Now()
			if v.Mode != "" {
				r.Mode = account.RuleMode(v.Mode)
			}
			if v.Note != "" {
				r.Note = v.Note
			}
		})
		if err != nil {
			return shieldError("change rule", err)
		}
		answers = append(answers, describeRule(r, nil))
	}
	return printRules(c, answers)
}

// noteRules says where rules can do nothing, as far as a running server knows.
func noteRules(c *verb.Context) {
	for _, room := range c.Rooms {
		for _, f := range room.Examine(c) {
			if f.About == "rules" && f.Level != verb.Fine {
				fmt.Fprintf(c.Err, "note: %s: %s\n", f.Text, f.Mend)
			}
		}
	}
}

// switches returns the rules that are to be, of the kinds of which a site has one.
func (v *ShieldSet) switches(rules *account.Rules) (list []account.Rule, err error) {
	for _, one := range []struct {
		kind account.RuleKind
		flag string
		text string
	}{{account.RuleSpam, "spam", v.Spam}, {account.RuleDataCentre, "datacentres", v.Datacentres}, {account.RuleSiteRate, "site-rate", v.SiteRate},
		{account.RuleAddressRate, "address-rate", v.AddressRate}, {account.RuleDevice, "devices", v.Devices}} {
		if one.text == "" {
			continue
		}
		r := rules.One(one.kind)
		r.Note = v.Note
		switch rate := one.kind == account.RuleSiteRate || one.kind == account.RuleAddressRate; {
		case rate && one.text == string(account.ModeOff):
			r.Mode = account.ModeOff
		case rate:
			r.Value, r.Mode = one.text, account.ModeDrop
			if v.Mode != "" {
				r.Mode = account.RuleMode(v.Mode)
			}
		default:
			r.Mode = account.RuleMode(one.text)
		}
		if r.Value, err = account.CleanRule(r.Kind, r.Value); err == nil {
			err = r.Mode.Check()
		}
		if err != nil {
			return nil, verb.Exit(verb.ExitUsage, fmt.Errorf("--%s: %w", one.flag, err))
		}
		list = append(list, r)
	}
	if len(list) == 0 && (v.Rule == 0 || v.Mode == "" && v.Note == "") {
		return nil, verb.Exit(verb.ExitUsage, errors.New("say what to change: --rule NUMBER with --mode or --note, --spam, --datacentres, --site-rate, --address-rate or --devices"))
	}
	return list, nil
}

// ShieldRemove is `footfall shield remove`.
type ShieldRemove struct {
	Site string `required:"" help:"Domain of the site." placeholder:"DOMAIN"`
	Rule uint64 `arg:"" help:"Number of the rule."`
}

// Run removes a rule.
func (v *ShieldRemove) Run(c *verb.Context) error {
	site, err := c.Site(v.Site)
	if err != nil {
		return err
	}
	r, err := c.Store.Accounts().RemoveRule(c.Context, site.ID, v.Rule, verb.CommandLine, c.Now())
	if err != nil {
		return shieldError("remove rule", err)
	}
	if c.JSON {
		return c.PrintJSON(describeRule(r, nil))
	}
	_, err = fmt.Fprintf(c.Out, "removed rule %d: %s\n", r.ID, describeRule(r, nil).about())
	return err
}

// ShieldList is `footfall shield list`.
type ShieldList struct {
	Site string `required:"" help:"Domain of the site." placeholder:"DOMAIN"`
}

// Run lists the rules of a site, those that nobody made among them.
func (v *ShieldList) Run(c *verb.Context) error {
	site, err := c.Site(v.Site)
	if err != nil {
		return err
	}
	answer, err := describeRules(site, c.Store.Accounts().Rules(site.ID), c.Store, c.Now())
	if err != nil {
		return err
	}
	if c.JSON {
		return c.PrintJSON(answer)
	}
	t := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "rule\tmode\tabout\t%d days\tnote\n", answer.Days)
	for _, r := range answer.Rules {
		id := "-"
		if r.ID != 0 {
			id = strconv.FormatUint(r.ID, 10)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\n", id, r.Mode, r.about(), r.Count, r.Note)
	}
	return t.Flush()
}

// about says what a rule is about.
func (a ruleAnswer) about() string {
	switch a.Kind {
	case account.RuleHost:
		return "only host " + a.Value
	case account.RuleDataCentre:
		return "addresses of data centres"
	case account.RuleSpam:
		return "referrers known for fake visits"
	case account.RuleSiteRate:
		if a.ID == 0 {
			return "more events a minute than a limit of the site"
		}
		return "more than " + a.Value + " events a minute"
	case account.RuleAddressRate:
		return "more than " + a.Value + " events a minute of one address"
	case account.RuleDevice:
		return "browsers that followed the link not to be counted"
	}
	return string(a.Kind) + " " + a.Value
}

// sentence says what becomes of what a rule is about.
func (a ruleAnswer) sentence() string {
	if a.Kind == account.RuleHost && a.Mode == account.ModeDrop {
		return a.about() + ": pages on hosts that no such rule names are not counted"
	}
	return a.about() + map[account.RuleMode]string{account.ModeDrop: ": not counted", account.ModeWatch: ": counted, and so is how many would be dropped", account.ModeOff: ": off"}[a.Mode]
}

// ShieldTry is `footfall shield try`.
type ShieldTry struct {
	Site string `required:"" help:"Domain of the site." placeholder:"DOMAIN"`
	RuleAbout
	Datacentres bool   `help:"What the rule about data centres has seen."`
	SiteRate    string `help:"What a rate of the site has seen." placeholder:"NUMBER"`
	AddressRate string `help:"What a rate of addresses has seen." placeholder:"NUMBER"`
	Hours       int    `default:"24" help:"How many hours before now to look at."`
}

// Help tells what can be tried.
func (*ShieldTry) Help() string {
	return "Tells how many of the events that were counted a rule would have dropped. Pages, hosts and countries are stored, so the answer is exact. Addresses and rates are not: let a rule about " +
		"them watch, and this tells what it has seen since."
}

// Run tries each rule alone.
func (v *ShieldTry) Run(c *verb.Context) error {
	site, err := c.Site(v.Site)
	if err != nil {
		return err
	}
	list, err := v.tried()
	if err != nil {
		return err
	}
	if v.Hours < 1 || v.Hours > maxTried {
		return verb.Exit(verb.ExitUsage, fmt.Errorf("--hours %d: from 1 to %d are possible", v.Hours, maxTried))
	}
	answers := []*tryAnswer{}
	for _, r := range list {
		a, err := tryRule(c.Context, c.Store, c.Store.Accounts().Rules(site.ID), site, tryForm{r.Kind, r.Value, v.Hours}, c.Now())
		if err != nil {
			return shieldError("try rule", err)
		}
		answers = append(answers, a)
	}
	if c.JSON {
		return c.PrintJSON(answers)
	}
	for _, a := range answers {
		a.print(c.Out)
	}
	return nil
}

// tried returns the rules that are named.
func (v *ShieldTry) tried() (list []account.Rule, err error) {
	for _, one := range []struct {
		kind  account.RuleKind
		value string
		named bool
	}{{account.RuleDataCentre, "", v.Datacentres}, {account.RuleSiteRate, v.SiteRate, v.SiteRate != ""}, {account.RuleAddressRate, v.AddressRate, v.AddressRate != ""}} {
		if one.named {
			list = append(list, account.Rule{Kind: one.kind, Value: one.value})
		}
	}
	if len(list) == 0 && v.RuleAbout.empty() {
		return nil, verb.Exit(verb.ExitUsage, errors.New("say what to try: --block-address, --block-country, --block-page, --only-host, --datacentres, --site-rate or --address-rate"))
	}
	others, err := v.rules()
	if err != nil && (len(list) == 0 || !v.RuleAbout.empty()) {
		return nil, err
	}
	return append(others, list...), nil
}

func (t *tryAnswer) print(w io.Writer) {
	what := ruleAnswer{ID: 1, Kind: t.Kind, Value: t.Value}.about()
	if t.Known {
		fmt.Fprintf(w, "%s: would have dropped %d of %s since %s\n", what, t.Would, many(t.Events, "event"), t.From.Format(time.RFC3339))
		for _, v := range t.Top {
			fmt.Fprintf(w, "  %d  %s\n", v.Events, v.Value)
		}
	}
	if t.Watch != nil {
		word := map[account.RuleMode]string{account.ModeDrop: "has dropped", account.ModeWatch: "would have dropped", account.ModeOff: "is off, and was about"}[t.Watch.Mode]
		fmt.Fprintf(w, "%s: rule %d %s %s since %s\n", what, t.Watch.Rule, word, many(t.Watch.Count, "event"), t.Watch.First)
	}
	if t.Advice != "" {
		fmt.Fprintf(w, "%s: %s\n", what, t.Advice)
	}
}

// ShieldLink is `footfall shield link`.
type ShieldLink struct {
	Site string `required:"" help:"Domain of the site." placeholder:"DOMAIN"`
	New  bool   `help:"Make a new link; the one before works no more. Browsers that followed it stay uncounted until they forget."`
}

// Help tells what the link does.
func (*ShieldLink) Help() string {
	return "Prints the link by which a browser asks not to be counted: open it once in each browser of yours. The tracking script remembers it there; the server keeps no list of them. A new master key " +
		"(`footfall key rotate`) ends it too."
}

// Run prints the link.
func (v *ShieldLink) Run(c *verb.Context) error {
	site, err := c.Site(v.Site)
	if err != nil {
		return err
	}
	token, err := c.Store.IgnoreToken(site.ID)
	if v.New && err == nil {
		token, err = c.Store.NewIgnoreLink(c.Context, account.Rule{Site: site.ID, By: verb.CommandLine, Time: c.Now()})
	}
	if err != nil {
		return shieldError("make link", err)
	}
	link := ignoreLink(site, token, c.Store.Accounts().Rules(site.ID))
	if c.JSON {
		return c.PrintJSON(link)
	}
	if !link.Works {
		fmt.Fprintln(c.Err, "note: the site counts these browsers all the same: `footfall shield set --devices drop` changes that")
	}
	_, err = fmt.Fprintln(c.Out, link.URL)
	return err
}

// ShieldDropped is `footfall shield dropped`.
type ShieldDropped struct {
	Site string `required:"" help:"Domain of the site." placeholder:"DOMAIN"`
	Days int    `default:"7" help:"How many days to look at, today among them."`
}

// droppedLine is what became of events for one reason on one day.
type droppedLine struct {
	Date    schema.Date `json:"date"`
	Reason  string      `json:"reason"`
	Help    string      `json:"help"`
	Dropped int64       `json:"dropped"`
	Watched int64       `json:"watched"` // counted, but rules in watch mode would have dropped them
}

// Run tells what was not counted, by day and reason.
func (v *ShieldDropped) Run(c *verb.Context) error {
	site, err := c.Site(v.Site)
	if err != nil {
		return err
	}
	if v.Days < 1 || v.Days > maxTried/24 {
		return verb.Exit(verb.ExitUsage, fmt.Errorf("--days %d: from 1 to %d are possible", v.Days, maxTried/24))
	}
	first, last, err := lastDays(site, c.Now(), v.Days)
	if err != nil {
		return err
	}
	lines := droppedLines(c.Store.DropCounts(site.ID, first, last), c.Store.WatchCounts(site.ID, first, last))
	if c.JSON {
		return c.PrintJSON(lines)
	}
	t := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "date\treason\tdropped\twatched\twhat it is")
	for _, l := range lines {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\n", l.Date, l.Reason, l.Dropped, l.Watched, l.Help)
	}
	return t.Flush()
}

// droppedLines puts counts into one list, the newest day first.
func droppedLines(dropped, watched map[string]map[schema.Date]int64) []droppedLine {
	type key struct {
		date   schema.Date
		reason string
	}
	at := map[key]*droppedLine{}
	line := func(date schema.Date, reason string) *droppedLine {
		k := key{date, reason}
		if at[k] == nil {
			at[k] = &droppedLine{Date: date, Reason: reason, Help: schema.Reason(reason).Help()}
		}
		return at[k]
	}
	for reason, days := range dropped {
		for date, n := range days {
			line(date, reason).Dropped = n
		}
	}
	for reason, days := range watched {
		for date, n := range days {
			line(date, reason).Watched = n
		}
	}
	lines := []droppedLine{}
	for _, l := range at {
		lines = append(lines, *l)
	}
	slices.SortFunc(lines, func(x, y droppedLine) int {
		return cmp.Or(cmp.Compare(y.Date, x.Date), cmp.Compare(y.Dropped, x.Dropped), cmp.Compare(x.Reason, y.Reason))
	})
	return lines
}
