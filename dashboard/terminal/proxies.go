package terminal

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

//go:embed proxies.txt
var presetList string

// presets are in the order in which a network is named that is in several: the narrowest first.
var presets = readPresets(presetList)

// Proxies are the networks of --trusted-proxy. They are safe for concurrent use, and the zero value trusts nobody.
type Proxies struct {
	items []string // as they were named, each once
	files []proxyFile
	now   atomic.Pointer[networks]
}

// proxyFile is a file of networks as it was when it was last read.
type proxyFile struct {
	path    string
	size    int64
	changed time.Time
	list    []netip.Prefix
}

// Proxies reads --trusted-proxy: networks, single addresses, presets by name and files after an @. What they say in all is trusted.
func (l *Listening) Proxies() (*Proxies, error) {
	p := &Proxies{}
	for _, item := range l.TrustedProxy {
		item = strings.TrimSpace(item)
		if item != "" && !slices.Contains(p.items, item) {
			p.items = append(p.items, item)
		}
	}
	if slices.Contains(p.items, "none") {
		if len(p.items) > 1 {
			return nil, fmt.Errorf("--trusted-proxy: none and %s were both named: drop one", strings.Join(slices.DeleteFunc(p.items, isNone), ","))
		}
		p.items = nil
	}
	for _, item := range p.items {
		if path, ok := strings.CutPrefix(item, "@"); ok {
			file := proxyFile{path: path}
			if _, err := file.look(); err != nil {
				return nil, fmt.Errorf("--trusted-proxy: %w", err)
			}
			p.files = append(p.files, file)
		} else if _, err := readNetwork(item); err != nil {
			return nil, fmt.Errorf("--trusted-proxy %s: want a network such as 10.0.0.0/8, %s, none, or @FILE", item, presetNames())
		}
	}
	return p, p.combine()
}

func isNone(item string) bool { return item == "none" }

// Contains reports whether the address is that of a trusted proxy.
func (p *Proxies) Contains(a netip.Addr) bool {
	list := p.now.Load()
	return list != nil && list.contains(a)
}

// String names what is trusted, as the flag does.
func (p *Proxies) String() string {
	if len(p.items) == 0 {
		return "none"
	}
	return strings.Join(p.items, ",")
}

// Trusting returns the flag that trusts a network beside all that is trusted now.
func (p *Proxies) Trusting(network string) string {
	items := slices.Clone(p.items)
	if network == "private" { // which holds the other
		items = slices.DeleteFunc(items, func(s string) bool { return s == "loopback" })
	}
	return "--trusted-proxy " + strings.Join(append(items, network), ",")
}

// NetworkName returns the preset that an address is in, "" if there is none.
func NetworkName(a netip.Addr) string {
	for _, preset := range presets {
		if preset.contains(a) {
			return preset.name
		}
	}
	return ""
}

func presetNames() string {
	var names []string
	for _, preset := range presets {
		names = append(names, preset.name)
	}
	return strings.Join(names, ", ")
}

// Watch reads the files of proxies again when they change, until ctx ends, and then calls changed. A file that cannot be read changes
// nothing, and the log says so.
func (p *Proxies) Watch(ctx context.Context, log *slog.Logger, changed func()) {
	if len(p.files) == 0 {
		return
	}
	tick := time.NewTicker(proxyFilesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if new, err := p.Look(); err != nil {
			log.Warn("a file of trusted proxies is not read: the networks that it named before stay trusted", "error", err)
		} else if new {
			log.Info("trusted proxies have changed", "networks", len(*p.now.Load()))
			changed()
		}
	}
}

// Look reads the files that have changed since the last look. It is not to be called from two goroutines.
func (p *Proxies) Look() (changed bool, err error) {
	for i := range p.files {
		now, lookErr := p.files[i].look()
		changed = changed || now
		if lookErr != nil {
			err = lookErr
		}
	}
	if changed {
		if combineErr := p.combine(); combineErr != nil {
			return false, combineErr
		}
	}
	return changed, err
}

// combine makes one list of all that is named.
func (p *Proxies) combine() error {
	var all []netip.Prefix
	for _, item := range p.items {
		if !strings.HasPrefix(item, "@") {
			list, err := readNetwork(item)
			if err != nil {
				return err
			}
			all = append(all, list...)
		}
	}
	for _, f := range p.files {
		all = append(all, f.list...)
	}
	if len(all) > maxNetworks {
		return fmt.Errorf("--trusted-proxy: more than %d networks", maxNetworks)
	}
	p.now.Store(newNetworks(all))
	return nil
}

// look reads the file if it is another than at the last look.
func (f *proxyFile) look() (changed bool, err error) {
	file, err := os.Open(f.path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil {
		return false, err
	}
	if f.size == about.Size() && f.changed.Equal(about.ModTime()) {
		return false, nil
	}
	f.size, f.changed = about.Size(), about.ModTime()
	text, err := io.ReadAll(io.LimitReader(file, maxProxyFile+1))
	if err != nil {
		return false, err
	}
	if len(text) > maxProxyFile {
		return false, fmt.Errorf("%s is larger than %d bytes", f.path, maxProxyFile)
	}
	var list []netip.Prefix
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
			found, err := readNetwork(word)
			if err != nil {
				return false, fmt.Errorf("%s: line %d: want a network such as 10.0.0.0/8", f.path, n)
			}
			list = append(list, found...)
		}
	}
	f.list = list
	return true, nil
}

// readNetwork reads a network, an address, which is a network of one, or the name of a preset.
func readNetwork(text string) ([]netip.Prefix, error) {
	for _, preset := range presets {
		if preset.name == text {
			return preset.networks, nil
		}
	}
	p, err := netip.ParsePrefix(text)
	if addr, addrErr := netip.ParseAddr(text); addrErr == nil && addr.Zone() == "" {
		p, err = addr.Prefix(addr.BitLen())
	}
	if err != nil {
		return nil, err
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return []netip.Prefix{p.Masked()}, nil
}
