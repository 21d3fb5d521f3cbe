package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"footfall/ingest/wire"
	"footfall/storage/day"
)

// base is a valid body; a test adds or replaces members.
func base(members ...string) string {
	all := append([]string{`"n":"pageview"`, `"u":"https://www.example.com/blog/?q=secret#top"`, `"d":"example.com"`}, members...)
	return "{" + strings.Join(all, ",") + "}"
}

func mustDecode(t *testing.T, body string) wire.Hit {
	t.Helper()
	h, err := wire.Decode("text/plain", []byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return h
}

func manyDomains(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("site%d.example", i)
	}
	return strings.Join(list, ",")
}

// A site that is named twice is counted once: one hit is one event.
func TestDomainsAreDistinct(t *testing.T) {
	h := mustDecode(t, `{"n":"pageview","u":"https://x.org/","d":"a.org,www.a.org,b.org, a.org"}`)
	if !slices.Equal(h.Domains, []string{"a.org", "b.org"}) {
		t.Errorf("got %q", h.Domains)
	}
}

func TestDecodeErrors(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for name, c := range map[string]struct {
		body string
		want string
	}{
		"nothing":              {`{}`, `{"domain":["can't be blank"],"event_name":["can't be blank"],"url":["is required"]}`},
		"no body":              {``, `{"request":["Unable to parse request body as json"]}`},
		"no JSON":              {`{"n":`, `{"request":["Unable to parse request body as json"]}`},
		"no object":            {`["n"]`, `{"request":["Unable to parse request body as json"]}`},
		"a string":             {`"n"`, `{"request":["Unable to parse request body as json"]}`},
		"more than an object":  {base() + `{}`, `{"request":["Unable to parse request body as json"]}`},
		"too deep":             {base(`"p":` + strings.Repeat("[", 100) + strings.Repeat("]", 100)), `{"request":["Unable to parse request body as json"]}`},
		"blank name":           {base(`"n":"  "`), `{"event_name":["can't be blank"]}`},
		"empty name wins":      {base(`"n":"","name":"x"`), `{"event_name":["can't be blank"]}`},
		"name of a wrong kind": {base(`"n":{}`), `{"event_name":["is invalid"]}`},
		"name a float":         {base(`"n":1.5`), `{"event_name":["is invalid"]}`},
		"name true":            {base(`"n":true`), `{"event_name":["is invalid"]}`},
		"long name":            {base(`"n":"` + strings.Repeat("é", 121) + `"`), `{"event_name":["should be at most 120 character(s)"]}`},
		"no url":               {`{"n":"a","d":"b"}`, `{"url":["is required"]}`},
		"empty url":            {base(`"u":""`), `{"url":["is required"]}`},
		"url of a wrong kind":  {base(`"u":12`), `{"url":["must be a valid url"]}`},
		"long url":             {base(`"u":"https://a/` + long + `"`), `{"url":["must be a valid url"]}`},
		"data url":             {base(`"u":"data:text/html,x"`), `{"url":["scheme is not allowed"]}`},
		"blank domain":         {base(`"d":" , www."`), `{"domain":["can't be blank"]}`},
		"no domain, no host":   {`{"n":"a","u":"/x"}`, `{"domain":["can't be blank"]}`},
		"many domains":         {base(`"d":"` + manyDomains(33) + `"`), `{"domain":["should name at most 32 sites"]}`},
		"hash mode true":       {base(`"h":true`), `{"hash_mode":["is invalid"]}`},
		"hash mode text":       {base(`"h":"x"`), `{"hash_mode":["is invalid"]}`},
		"hash mode float":      {base(`"h":1.0`), `{"hash_mode":["is invalid"]}`},
		"long prop":            {base(`"p":{"k":"` + long + `y"}`), `{"props":["keys should have at most 300 bytes and values 2000 bytes"]}`},
		"long prop key":        {base(`"p":{"` + long[:301] + `":1}`), `{"props":["keys should have at most 300 bytes and values 2000 bytes"]}`},
		"engagement of none":   {base(`"n":"engagement"`), engagementWithout},
		"engagement of wrong":  {base(`"n":"engagement","sd":-1,"e":2592000000`), engagementWithout},
		"engagement of text":   {base(`"n":"engagement","sd":"a","e":1.5`), engagementWithout},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := wire.Decode("application/json", []byte(c.body))
			var fields wire.FieldErrors
			if !errors.As(err, &fields) {
				t.Fatalf("got error %v, want field errors", err)
			}
			got, _ := json.Marshal(fields)
			var a, b any
			json.Unmarshal(got, &a)
			json.Unmarshal([]byte(c.want), &b)
			if d := cmp.Diff(a, b); d != "" {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

const engagementWithout = `{"event_name":["engagement event requires a valid integer value for at least one of 'sd' or 'e' fields"]}`

func TestDecodeAliases(t *testing.T) {
	short := mustDecode(t, `{"n":"a","u":"https://x.org/p","d":"x.org","r":"https://y.org","p":{"k":"v"},"h":1,"i":false}`)
	long := mustDecode(t, `{"name":"a","url":"https://x.org/p","domain":"x.org","referrer":"https://y.org","props":{"k":"v"},"hashMode":1,"interactive":false}`)
	if d := cmp.Diff(short, long); d != "" {
		t.Error(d)
	}
	want := wire.Hit{Domains: []string{"x.org"}, Referrer: "https://y.org", Event: day.Event{Name: "a", Hostname: "x.org", Pathname: "/p",
		ScrollDepth: day.NoScroll, Props: []day.Prop{{Key: "k", Value: "v"}}}}
	if d := cmp.Diff(short, want); d != "" {
		t.Error(d)
	}
	first := mustDecode(t, `{"n":null,"name":"b","u":false,"url":"https://x.org/q","d":null,"m":{"k":"m"},"meta":{"k":"meta"},"p":{"k":"p"},"props":{"k":"props"}}`)
	if first.Event.Name != "b" || first.Event.Pathname != "/q" || first.Domains[0] != "x.org" || first.Event.Props[0].Value != "m" {
		t.Errorf("null and false do not give way to the next alias: %+v", first)
	}
	if h := mustDecode(t, base(`"n":404`)); h.Event.Name != "404" {
		t.Errorf("got name %q, want 404", h.Event.Name)
	}
	if h := mustDecode(t, base(`"r":12`)); h.Referrer != "" {
		t.Errorf("got referrer %q, want none", h.Referrer)
	}
	if h := mustDecode(t, base(`"r":"`+strings.Repeat("é", 2001)+`"`)); h.Referrer != strings.Repeat("é", 2000) {
		t.Errorf("got a referrer of %d bytes, want it cut to 2000 characters", len(h.Referrer))
	}
}

func TestDecodePage(t *testing.T) {
	for _, c := range []struct{ url, more, host, path, query string }{
		{"https://www.example.com/blog/?q=1#top", "", "example.com", "/blog/", "q=1"},
		{"http://Example.COM:8080", "", "Example.COM", "/", ""},
		{"https://user:pass@example.com/x", "", "example.com", "/x", ""},
		{"https://[2001:db8::1]:443/x", "", "2001:db8::1", "/x", ""},
		{"https://example.com?utm_source=a", "", "example.com", "/", "utm_source=a"},
		{"https://example.com/a%20b%2Fc%zz%e4%F0%9F%98%80+d", "", "example.com", "/a b/c%zz\uFFFD😀+d", ""},
		{"https://example.com/end%20 ", "", "example.com", "/end", ""},
		{"https://example.com/app#/page%20two", `"h":1`, "example.com", "/app#/page two", ""},
		{"https://example.com/app#/page", `"h":"1"`, "example.com", "/app#/page", ""},
		{"https://example.com/app#/reset?token=s3cret", `"h":1`, "example.com", "/app#/reset", ""},
		{"https://example.com/app#/page", `"h":0`, "example.com", "/app", ""},
		{"https://example.com/app#", `"h":1`, "example.com", "/app", ""},
		{"/blog", "", "(none)", "/blog", ""},
		{"about:config", "", "(none)", "config", ""},
		{"//example.com/x", "", "example.com", "/x", ""},
		{"file:///tmp/x.html", "", "(none)", "/tmp/x.html", ""},
		{"www.www.example.com/", "", "(none)", "www.www.example.com/", ""},
		{"https:// www.example.com /x", "", "example.com", "/x", ""},
	} {
		more := []string{fmt.Sprintf(`"u":%q`, c.url)}
		if c.more != "" {
			more = append(more, c.more)
		}
		h := mustDecode(t, base(more...))
		if h.Event.Hostname != c.host || h.Event.Pathname != c.path || h.Query != c.query {
			t.Errorf("%s %s: got %q %q %q, want %q %q %q", c.url, c.more, h.Event.Hostname, h.Event.Pathname, h.Query, c.host, c.path, c.query)
		}
	}
}

func TestDecodeDomains(t *testing.T) {
	for body, want := range map[string][]string{
		base(`"d":"a.com, www.b.com ,,C.com"`):        {"a.com", "b.com", "C.com"},
		`{"n":"a","u":"https://www.x.org/"}`:          {"x.org"},
		`{"n":"a","u":"https://www.x.org/","d":12}`:   {"x.org"},
		`{"n":"a","u":"https://www.x.org/","d":null}`: {"x.org"},
	} {
		if got := mustDecode(t, body).Domains; !cmp.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

// props makes properties of keys and values in turn.
func props(text ...string) (list []day.Prop) {
	for i := 0; i < len(text); i += 2 {
		list = append(list, day.Prop{Key: text[i], Value: text[i+1]})
	}
	return list
}

func TestDecodeProps(t *testing.T) {
	var many, kept []string
	for i := range 40 {
		many = append(many, fmt.Sprintf(`"k%02d":"v"`, i))
	}
	for i := range 30 {
		kept = append(kept, fmt.Sprintf("k%02d", i))
	}
	for name, c := range map[string]struct {
		more string
		want []day.Prop
	}{
		"kinds":                {`"p":{"s":"x","t":true,"f":false,"i":12,"d":12.50,"e":1e3,"z":-0,"w":3.0}`, props("d", "12.5", "e", "1e3", "f", "false", "i", "12", "s", "x", "t", "true", "w", "3.0", "z", "0")},
		"what is left out":     {`"p":{"a":null,"b":"","c":"  ","d":[1],"e":{"x":1}," ":"x","f":"kept"}`, props("f", "kept")},
		"text":                 {`"m":"{\"author\":\"Ann \\\"A\\\"\"}"`, props("author", `Ann "A"`)},
		"text that is none":    {`"m":"{\"author\":","p":{"k":"v"}`, nil},
		"a list":               {`"p":["a"]`, nil},
		"the last counts":      {`"p":{"k":"1","k":"2"}`, props("k", "2")},
		"escaped key":          {`"p":{"\u006b\n":"v"}`, props("k\n", "v")},
		"404 has its path":     {`"n":"404","p":{"z":"1"}`, props("path", "/blog/", "z", "1")},
		"404 with a path":      {`"n":"404","p":{"path":"/x"}`, props("path", "/x")},
		"form has its path":    {`"n":"Form: Submission"`, props("path", "/blog/")},
		"WP form has its path": {`"n":"WP Form Completions"`, props("path", "/blog/")},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(mustDecode(t, base(c.more)).Event.Props, c.want); d != "" {
				t.Error(d)
			}
		})
	}
	got := mustDecode(t, base(`"p":{`+strings.Join(many, ",")+`}`)).Event.Props
	if len(got) != 30 || got[0].Key != kept[0] || got[29].Key != kept[29] {
		t.Errorf("got %v, want the first 30", got)
	}
	got = mustDecode(t, base(`"n":"404","p":{`+strings.Join(many, ",")+`}`)).Event.Props
	if len(got) != 30 || got[29].Key != "path" {
		t.Errorf("got %v, want 29 and the path", got)
	}
}

func TestDecodeRevenue(t *testing.T) {
	for more, want := range map[string]day.Revenue{
		`"$":{"amount":"10.290","currency":"EUR"}`:                                {Amount: "10.290", Currency: "EUR"},
		`"revenue":{"amount":0.1,"currency":"USD"}`:                               {Amount: "0.1", Currency: "USD"},
		`"revenue":{"amount":12345678901234567890.12,"currency":"JPY"}`:           {Amount: "12345678901234567890.12", Currency: "JPY"},
		`"revenue":{"amount":1.5e3,"currency":"USD"}`:                             {Amount: "1500", Currency: "USD"},
		`"revenue":{"amount":25e-3,"currency":"USD"}`:                             {Amount: "0.025", Currency: "USD"},
		`"revenue":{"amount":-5,"currency":"USD"}`:                                {Amount: "-5", Currency: "USD"},
		`"revenue":{"amount":"-0.00","currency":"USD"}`:                           {Amount: "0.00", Currency: "USD"},
		`"revenue":{"amount":" +007 ","currency":"USD"}`:                          {Amount: "7", Currency: "USD"},
		`"revenue":"{\"amount\":3,\"currency\":\"EUR\"}"`:                         {Amount: "3", Currency: "EUR"},
		`"revenue":null,"$":{"amount":1,"currency":"EUR"}`:                        {Amount: "1", Currency: "EUR"},
		`"revenue":{"amount":1}`:                                                  {},
		`"revenue":{"currency":"EUR"}`:                                            {},
		`"revenue":{"amount":1,"currency":"eur"}`:                                 {},
		`"revenue":{"amount":1,"currency":"ED "}`:                                 {},
		`"revenue":{"amount":1,"currency":"QQQ"}`:                                 {},
		`"revenue":{"amount":1,"currency":1}`:                                     {},
		`"revenue":{"amount":"1,5","currency":"EUR"}`:                             {},
		`"revenue":{"amount":"","currency":"EUR"}`:                                {},
		`"revenue":{"amount":true,"currency":"EUR"}`:                              {},
		`"revenue":{"amount":1e999,"currency":"EUR"}`:                             {},
		`"revenue":{"amount":1e40,"currency":"EUR"}`:                              {},
		`"revenue":{"amount":"` + strings.Repeat("9", 41) + `","currency":"EUR"}`: {},
		`"revenue":12`: {},
		`"n":"engagement","e":1,"revenue":{"amount":1,"currency":"EUR"}`: {},
	} {
		if got := mustDecode(t, base(more)).Event.Revenue; got != want {
			t.Errorf("%s: got %v, want %v", more, got, want)
		}
	}
}

func TestDecodeEngagement(t *testing.T) {
	for more, want := range map[string][2]uint32{
		`"sd":0`:                       {0, 0},
		`"sd":100,"e":2591999999`:      {100, 2591999999},
		`"sd":101`:                     {100, 0},
		`"sd":99999999999999999999999`: {100, 0},
		`"sd":"42","e":"1500"`:         {42, 1500},
		`"sd":"+42","e":-1`:            {42, 0},
		`"sd":-1,"e":1`:                {255, 1},
		`"sd":1.5,"e":1`:               {255, 1},
		`"sd":null,"e":1`:              {255, 1},
		`"sd":"1-2","e":1`:             {255, 1},
	} {
		e := mustDecode(t, base(`"n":"engagement"`, more)).Event
		if got := [2]uint32{uint32(e.ScrollDepth), e.EngagementMS}; got != want {
			t.Errorf("%s: got %v, want %v", more, got, want)
		}
	}
	if e := mustDecode(t, base(`"sd":50,"e":100`)).Event; e.ScrollDepth != day.NoScroll || e.EngagementMS != 0 {
		t.Errorf("a pageview kept scroll depth %d and time %d", e.ScrollDepth, e.EngagementMS)
	}
}

func TestDecodeInteractive(t *testing.T) {
	for more, want := range map[string]bool{
		`"n":"buy"`:                                  true,
		`"n":"buy","i":false`:                        false,
		`"n":"buy","interactive":false`:              false,
		`"n":"buy","i":0`:                            true,
		`"n":"buy","i":"false"`:                      true,
		`"n":"pageview","i":false`:                   true,
		`"n":"File Download","i":false`:              true,
		`"n":"engagement","e":1,"i":false`:           true,
		`"n":"Outbound Link: Click","i":false`:       true,
		`"n":404,"interactive":false`:                true,
		`"n":"WP Form Completions","i":false`:        true,
		`"n":"Cloaked Link: Click","i":false`:        true,
		`"n":"Form: Submission","interactive":false`: true,
	} {
		if got := mustDecode(t, base(more)).Event.Interactive; got != want {
			t.Errorf("%s: got %v, want %v", more, got, want)
		}
	}
}

func TestDecodeContentTypes(t *testing.T) {
	want := mustDecode(t, `{"n":"buy","u":"https://x.org/p?a=b","d":"x.org","r":"https://y.org/","h":1,"p":{"plan":"big one"}}`)
	pairs := [][2]string{{"n", "first"}, {"n", "buy"}, {"u", "https://x.org/p?a=b"}, {"d", "x.org"}, {"r", "https://y.org/"}, {"h", "1"}, {"i", "false"}}
	form := "n=first&n=buy&u=https%3A%2F%2Fx.org%2Fp%3Fa%3Db&d=x.org&r=https://y.org/&h=1&zz=%zz"
	many := func(props ...[2]string) (string, string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for _, p := range append(pairs, props...) {
			w.WriteField(p[0], p[1])
		}
		f, _ := w.CreateFormFile("n", "x.bin")
		f.Write([]byte("ignored"))
		w.Close()
		return w.FormDataContentType(), b.String()
	}
	nestedType, nested := many([2]string{"p[plan]", "big one"})
	jsonType, withJSON := many([2]string{"props", `{"plan":"big one"}`})
	for _, c := range [][2]string{
		{"application/x-www-form-urlencoded", form + "&p%5Bplan%5D=big+one"},
		{"application/x-www-form-urlencoded; charset=utf-8", form + `&m={"plan":"big+one"}`},
		{nestedType, nested},
		{jsonType, withJSON},
		{"application/x-www-form-urlencoded", ` {"n":"buy","u":"https://x.org/p?a=b","d":"x.org","r":"https://y.org/","h":1,"p":{"plan":"big one"}}`},
		{"application/octet-stream", `{"n":"buy","u":"https://x.org/p?a=b","d":"x.org","r":"https://y.org/","h":1,"p":{"plan":"big one"}}`},
		{";;;", `{"n":"buy","u":"https://x.org/p?a=b","d":"x.org","r":"https://y.org/","h":1,"p":{"plan":"big one"}}`},
	} {
		got, err := wire.Decode(c[0], []byte(c[1]))
		if err != nil {
			t.Errorf("%s: %v", c[0], err)
		} else if d := cmp.Diff(got, want); d != "" {
			t.Errorf("%s: %s", c[0], d)
		}
	}
	for _, c := range [][2]string{
		{"multipart/form-data", "x"},
		{"multipart/form-data; boundary=b", "--b\r\nbroken"},
	} {
		if _, err := wire.Decode(c[0], []byte(c[1])); err == nil || !strings.Contains(err.Error(), "Unable to parse") {
			t.Errorf("%s: got %v, want a body error", c[0], err)
		}
	}
}

// Text in another charset is not guessed: each byte that is no UTF-8 is shown as such, and the event counts.
func TestDecodeNotUTF8(t *testing.T) {
	for contentType, body := range map[string]string{
		"text/plain; charset=iso-8859-1":                            "{\"n\":\"caf\xe9\",\"u\":\"https://x.org/\xe9\",\"p\":{\"\xe9\":\"\xe9\"}}",
		"application/x-www-form-urlencoded; charset=iso-8859-1":     "n=caf%E9&u=https://x.org/\xe9&p[%E9]=%E9",
		"multipart/form-data; boundary=b; charset=\"windows-1252\"": "--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\ncaf\xe9\r\n--b\r\nContent-Disposition: form-data; name=\"u\"\r\n\r\nhttps://x.org/\xe9\r\n--b\r\nContent-Disposition: form-data; name=\"p[\xe9]\"\r\n\r\n\xe9\r\n--b--\r\n",
	} {
		h, err := wire.Decode(contentType, []byte(body))
		if err != nil || h.Event.Name != "caf\uFFFD" || h.Event.Pathname != "/\uFFFD" || !slices.Equal(h.Event.Props, props("\uFFFD", "\uFFFD")) {
			t.Errorf("%s: got %+v, %v", contentType, h.Event, err)
		}
	}
}

// A form may send an object as JSON or in parts; of two names of one field the first counts, as in JSON.
func TestDecodeFormObjects(t *testing.T) {
	const form = "n=buy&u=https%3A%2F%2Fx.org%2F&d=x.org&"
	euro := day.Revenue{Amount: "12.50", Currency: "EUR"}
	for more, want := range map[string]day.Event{
		"p[a]=1&p[b]=2":        {Props: props("a", "1", "b", "2")},
		"p[a]=1&m[b]=2":        {Props: props("b", "2")},
		`m={"b":2}&props[a]=1`: {Props: props("b", "2")},
		"m=none&props[a]=1":    {},
		"props[a][b]=1&props[]=2&props[c=3&props[ ]=4":        {},
		"revenue[amount]=12.50&revenue[currency]=EUR":         {Revenue: euro},
		`$={"amount":"12.50","currency":"EUR"}`:               {Revenue: euro},
		"revenue[amount]=12.50&$[amount]=1&$[currency]=EUR":   {},
		"$[amount]=12.50&$[currency]=EUR&revenue[x][amount]=": {Revenue: euro},
		"name[x]=1&interactive=false":                         {},
	} {
		h, err := wire.Decode("application/x-www-form-urlencoded", []byte(form+more))
		if err != nil {
			t.Errorf("%s: %v", more, err)
			continue
		}
		want.Name, want.Hostname, want.Pathname, want.Interactive, want.ScrollDepth = "buy", "x.org", "/", true, day.NoScroll
		if d := cmp.Diff(h.Event, want); d != "" {
			t.Errorf("%s: %s", more, d)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("text/plain", base(`"p":{"a":"b\u00e9\ud83d\ude00"}`, `"$":{"amount":"1.5","currency":"EUR"}`))
	f.Add("application/json", base(`"n":"engagement","sd":"12","e":3`))
	f.Add("application/x-www-form-urlencoded", "n=pageview&u=http://a&p[x]=y")
	f.Add("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\nx\r\n--b--\r\n")
	f.Add("", "{\"n\":\"\\ud800\xff\",\"u\":\"//\xf0@[::1]:1/%ff#%\",\"h\":1}")
	f.Fuzz(func(t *testing.T, contentType, body string) {
		h, err := wire.Decode(contentType, []byte(body))
		isObject := json.Valid([]byte(body)) && strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "{")
		if contentType == "" && !strings.HasPrefix(body, "\uFEFF") {
			if refused := err != nil && strings.Contains(err.Error(), "Unable to parse"); refused == isObject && strings.Count(body, "[")+strings.Count(body, "{") < 30 {
				t.Fatalf("body refused: %v; encoding/json accepts: %v", refused, isObject)
			}
		}
		if err != nil {
			return
		}
		mustTravel(t, h)
	})
}

// mustTravel holds that what is accepted can be exported and imported.
func mustTravel(t *testing.T, h wire.Hit) {
	t.Helper()
	in := wire.Record{Event: h.Event, Visitor: "1"}
	in.Event.Time = 1_700_000_000
	var out wire.Record
	if err := decodeLine(wire.AppendLine(nil, &in), &out); err != nil {
		t.Fatalf("%+v: %v", in, err)
	}
	if d := cmp.Diff(in, out); d != "" {
		t.Fatal(d)
	}
}

var typical = []byte(`{"n":"pageview","v":36,"u":"https://www.example.com/blog/a-post-of-some-length?utm_source=newsletter&utm_medium=email","d":"example.com","r":"https://news.ycombinator.com/item?id=1","p":{"author":"Ann","logged_in":"false"}}`)

func TestDecodeAllocates(t *testing.T) {
	// URL, host, path, domain and its list, referrer, and keys, values and list of two properties.
	if n := testing.AllocsPerRun(100, func() { wire.Decode("text/plain", typical) }); n > 13 {
		t.Errorf("got %v allocations, want at most 13", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	b.SetBytes(int64(len(typical)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Decode("text/plain", typical); err != nil {
			b.Fatal(err)
		}
	}
}
