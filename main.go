// Footfall counts visits to websites without following anyone. This file lists the verbs, wires the rooms together, runs
// them and stops them; what a verb does is written in the room it speaks for.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	_ "time/tzdata" // a machine without zones, such as an empty container, still knows local midnight

	"footfall/assets"
	"footfall/dashboard/admin"
	"footfall/dashboard/api"
	"footfall/dashboard/auth"
	"footfall/dashboard/metrics"
	"footfall/dashboard/terminal"
	"footfall/dashboard/web"
	"footfall/ingest"
	"footfall/ingest/geo"
	"footfall/ingest/shield"
	"footfall/ingest/source"
	"footfall/ingest/visitor"
	"footfall/ingest/workload"
	"footfall/storage"
	"footfall/storage/memory"
	"footfall/storage/verb"
)

// version is set by the linker.
var version = "dev"

const about = `Privacy-first web analytics: one binary, one encrypted file, no cookies.

Settings come from a flag, else from FOOTFALL_... in the environment, else from the file named by --config, else from the default.
Results go to standard output, everything else to standard error.

` + terminal.KeyHelp + `

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done in part, 10 not there, 11 in use by another process, 12 wrong or no key, 13 damaged,
14 another instance streams to the bucket, 130 interrupted.`

// options are the flags of every verb.
type options struct {
	Data string `help:"Data directory (default ./footfall-data; ./footfall-demo for demo). serve and the add verbs make it if there is none." placeholder:"DIR"`
	terminal.KeyFlags
	Config    string        `help:"File of settings, 'name = value' or JSON." placeholder:"FILE"`
	JSON      bool          `name:"json" help:"Print results for programs."`
	Quiet     bool          `short:"q" help:"No banner, no progress."`
	LogFormat string        `help:"Form of the log: text or json." enum:"text,json" default:"text"`
	Memory    memory.Size   `help:"Memory to use, such as 256M (default half of the machine's, or three quarters of its control group's)." placeholder:"SIZE"`
	QueryTime time.Duration `name:"query-time" help:"Longest time a query may take, waiting included." placeholder:"TIME" default:"30s"`
	LogLevel  string        `help:"Least level that is logged: debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
}

type verbs struct {
	options `embed:"" group:"Flags of every verb:"`

	Serve serveVerb `cmd:"" help:"Count visits and show them: run the server."`
	Demo  demoVerb  `cmd:"" help:"Serve a made-up site with a year of visits. Needs no login, changes nothing but its own directory."`
	Site  struct {
		Add    api.SiteAdd    `cmd:"" help:"Add a site."`
		List   api.SiteList   `cmd:"" help:"List the sites."`
		Set    api.SiteSet    `cmd:"" help:"Change a site: its time zone, how long its data are kept, its script."`
		Reset  api.SiteReset  `cmd:"" help:"Destroy a site's data and keep the site."`
		Remove api.SiteRemove `cmd:"" help:"Remove a site and destroy its data."`
	} `cmd:"" help:"Sites whose visits are counted."`
	User struct {
		Add    auth.UserAdd    `cmd:"" help:"Add a person. The password is asked for, or read from standard input."`
		List   auth.UserList   `cmd:"" help:"List the people."`
		Passwd auth.UserPasswd `cmd:"" help:"Change a person's password. It is asked for, or read from standard input."`
	} `cmd:"" help:"People who may log in."`
	Token struct {
		Add    auth.TokenAdd    `cmd:"" help:"Make a token and print it."`
		List   auth.TokenList   `cmd:"" help:"List the tokens."`
		Remove auth.TokenRemove `cmd:"" help:"Remove a token."`
	} `cmd:"" help:"Tokens for programs."`
	Shield struct {
		List    api.ShieldList    `cmd:"" help:"List the rules of a site, and what they did in the last 30 days."`
		Add     api.ShieldAdd     `cmd:"" help:"Add rules: addresses, countries and pages that are not counted, hosts that alone are."`
		Set     api.ShieldSet     `cmd:"" help:"Change a rule of a site, or its filters of spam, data centres, rates and devices."`
		Remove  api.ShieldRemove  `cmd:"" help:"Remove a rule."`
		Try     api.ShieldTry     `cmd:"" help:"Tell what a rule would have dropped."`
		Link    api.ShieldLink    `cmd:"" help:"Print the link by which a browser asks not to be counted."`
		Dropped api.ShieldDropped `cmd:"" help:"Tell what was not counted, by day and reason."`
	} `cmd:"" help:"What is not counted."`
	Key struct {
		Status   verb.KeyStatus   `cmd:"" help:"List the keys that open the data, and warn of what is wrong with them."`
		Add      verb.KeyAdd      `cmd:"" help:"Make another key open the data: a passphrase or a key file."`
		Remove   verb.KeyRemove   `cmd:"" help:"Make a key open the data no more."`
		Recovery verb.KeyRecovery `cmd:"" help:"Make a new recovery key in the place of the old one, and print it."`
		Rotate   verb.KeyRotate   `cmd:"" help:"Make a new master key, which older copies of the vault do not know."`
	} `cmd:"" help:"Keys that open the data."`
	Snapshot struct {
		Create  verb.SnapshotCreate  `cmd:"" help:"Make a point, with a name or without."`
		List    verb.SnapshotList    `cmd:"" help:"List the points that can be restored."`
		Status  verb.SnapshotStatus  `cmd:"" help:"Tell up to when the data could be restored."`
		Verify  verb.SnapshotVerify  `cmd:"" help:"Look whether what is in the bucket can be restored."`
		Drill   verb.SnapshotDrill   `cmd:"" help:"Prove the snapshots: restore them beside the data, and compare."`
		Prune   verb.SnapshotPrune   `cmd:"" help:"Delete what no point needs that is to be kept."`
		Cost    verb.SnapshotCost    `cmd:"" help:"Tell what a month of snapshots takes: requests and bytes."`
		Adopt   verb.SnapshotAdopt   `cmd:"" help:"Go on with the snapshots of another instance, such as the one this was restored from."`
		Restore verb.SnapshotRestore `cmd:"" help:"Make a data directory out of the snapshots in a bucket."`
	} `cmd:"" help:"Copies of all data in a bucket, streamed there as they change."`
	Import      ingest.Import  `cmd:"" help:"Add events from a file to a site."`
	Export      ingest.Export  `cmd:"" help:"Write a site's events."`
	Delete      api.Delete     `cmd:"" help:"Delete some of a site's events: a page, an event name, a burst."`
	Query       api.Query      `cmd:"" help:"Answer a query of the Stats API."`
	Doctor      verb.Doctor    `cmd:"" help:"Say what is not as it should be with the addresses of visitors, snapshots, keys, disk and sites, and how to mend it."`
	Check       verb.Check     `cmd:"" help:"Read everything that is stored and say whether it is sound."`
	Compact     verb.Compact   `cmd:"" help:"Give free space inside the data file back to the disk."`
	Reclaim     reclaimVerb    `cmd:"" help:"Release the ballast of a full disk."`
	Inspect     verb.Inspect   `cmd:"" help:"Show where the bytes are: file, sites, days, columns."`
	Audit       verb.Audit     `cmd:"" help:"List who destroyed data, and when."`
	Healthcheck healthVerb     `cmd:"" help:"Ask a running server whether it is well."`
	Version     versionVerb    `cmd:"" help:"Print the version."`
	Completion  completionVerb `cmd:"" help:"Print the completion script of a shell."`
}

func main() { os.Exit(run(os.Args[1:])) }

// app is one run of the program.
type app struct {
	ctx     context.Context
	args    []string
	opt     *options
	command *terminal.Command
	log     *slog.Logger
	memory  string // how much may be used and who says so, once the store is open

	passphrase []byte // of the environment
	key        string // where it was found, once the store is open
}

// run runs one command line and returns its exit code. SIGINT or SIGTERM ends it in good order, a second one at once.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // back to the default, which is to die
	terminal.DumpOnQuit(os.Stderr)
	passphrase := terminal.TakePassphrase()
	v := &verbs{}
	command, err := grammar(v, os.Stdout).Parse(args, os.LookupEnv)
	switch {
	case errors.Is(err, terminal.ErrHelp):
		return 0
	case err != nil:
		return fail(v.JSON, verb.Exit(verb.ExitUsage, err))
	}
	a := &app{ctx: ctx, args: args, opt: &v.options, command: command, log: logger(&v.options), passphrase: passphrase}
	if _, ok := command.Verb().(interface{ Run(*verb.Context) error }); ok {
		err = a.runVerb()
	} else {
		err = command.Run(a)
	}
	return fail(v.JSON, err)
}

func grammar(v *verbs, out io.Writer) *terminal.Grammar {
	return &terminal.Grammar{Name: "footfall", Help: about, Examples: terminal.Examples, Verbs: v, Out: out, Err: os.Stderr}
}

func logger(o *options) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(o.LogLevel)) // an enum of the grammar
	options := &slog.HandlerOptions{Level: level}
	if o.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// fail tells what went wrong on one line, and returns the exit code.
func fail(asJSON bool, err error) int {
	if err == nil {
		return 0
	}
	code := verb.Code(err)
	if errors.Is(err, context.Canceled) {
		code, err = 130, errors.New("interrupted")
	}
	if asJSON {
		_ = json.NewEncoder(os.Stderr).Encode(map[string]any{"error": err.Error(), "code": code})
	} else {
		fmt.Fprintln(os.Stderr, "footfall:", err)
	}
	return code
}

// runVerb runs a verb where the data is: in the server that has it open, else here.
func (a *app) runVerb() (err error) {
	in, err := a.command.Input(a.ctx, os.Stdin, os.Stderr, a.asks())
	if err != nil {
		return err
	}
	defer in.Close()
	out, finish, err := verb.OpenOutput(a.command.Verb(), os.Stdout, terminal.IsTerminal(os.Stdout))
	if err != nil {
		return err
	}
	defer func() { err = finish(err) }()
	dir := a.dir("footfall-data")
	streams := admin.Streams{In: in, Out: out, Err: os.Stderr, Asks: a.asks()}
	if a.watched() {
		streams.Bars = a.bar
	}
	here := &verb.Context{Context: a.ctx, Now: time.Now, In: in, Out: out, Err: os.Stderr, JSON: a.opt.JSON, Asks: a.asks(), Log: a.log, Progress: a.bar}
	if idle, ok := a.command.Verb().(interface {
		RunIdle(*verb.Context, string, storage.Key) error
	}); ok {
		elsewhere, ok := a.command.Verb().(interface{ Alone() bool })
		if !ok || !elsewhere.Alone() {
			if err := admin.Call(a.ctx, filepath.Join(dir, admin.Socket), a.args, a.command.Settings, streams); !errors.Is(err, admin.ErrNoServer) {
				return err
			}
		}
		key, err := a.opt.Find(a.command, dir, a.passphrase)
		if err == nil && key.None() && ok {
			key, err = terminal.AskAnyKey(a.ctx, os.Stdin, os.Stderr)
		}
		if err != nil {
			return err
		}
		return idle.RunIdle(here, dir, key.Key)
	}
	return admin.Where(a.ctx, dir, a.args, a.command.Settings, streams,
		func() (*storage.Store, error) {
			return a.open(dir, slices.Contains([]string{"site add", "user add", "token add"}, a.command.Path)) // what may come first
		},
		func(store *storage.Store) error {
			a.showRecovery(store)
			here.Store, here.Idle = store, true
			switch v := a.command.Verb().(type) {
			case *ingest.Import:
				if v.Format == "ndjson" {
					break
				}
				var err error
				if v.Places, err = a.places(dir, ""); err != nil {
					return err
				}
			case *verb.Doctor:
				places, err := a.places(dir, "")
				if err != nil {
					return err
				}
				here.Rooms = []verb.Examiner{ingest.ExaminePlaces(places)}
			}
			return a.command.Run(here)
		})
}

// dir returns the data directory, and preset where none is named.
func (a *app) dir(preset string) string {
	if a.opt.Data != "" {
		return filepath.Clean(a.opt.Data)
	}
	return preset
}

// open opens the store and says in an error what to do about it.
func (a *app) open(dir string, create bool) (*storage.Store, error) {
	key, err := a.opt.Find(a.command, dir, a.passphrase)
	if err == nil && key.None() {
		key, err = terminal.AskKey(a.ctx, dir, os.Stdin, os.Stderr)
	}
	if err != nil {
		return nil, err
	}
	if key.Warn != "" {
		a.log.Warn(key.Warn)
	}
	a.key = key.Source
	defer clear(key.Passphrase)
	defer clear(key.Typed)
	total, from, err := memory.Limit(a.opt.Memory, os.DirFS("/"))
	if err != nil {
		return nil, verb.Exit(verb.ExitUsage, err)
	}
	a.memory = fmt.Sprintf("%s (%s)", memory.Size(total), from)
	divide := memory.Divide
	if _, ok := a.command.Verb().(interface{ Works() }); ok {
		divide = memory.DivideForWork
	}
	store, err := storage.Open(a.ctx, storage.Config{Dir: dir, Key: key.Key, Create: create, NoRecovery: !a.showsRecovery(), Now: time.Now, Logger: a.log,
		Memory: divide(total), QueryTime: a.opt.QueryTime, Progress: a.opening()})
	switch {
	case errors.Is(err, storage.ErrRunning):
		return nil, fmt.Errorf("open %s: %w: stop it, or wait until it has started", dir, err)
	case errors.Is(err, storage.ErrWrongKey), errors.Is(err, storage.ErrNoKeyFile):
		return nil, fmt.Errorf("%w: name the right one with --key-file or --passphrase-file", err)
	}
	return store, err
}

// asks reports whether somebody at a terminal sees the output and can answer.
func (a *app) asks() bool {
	return !a.opt.JSON && terminal.IsTerminal(os.Stdin) && terminal.IsTerminal(os.Stdout) && terminal.IsTerminal(os.Stderr)
}

func (a *app) watched() bool { return !a.opt.Quiet && !a.opt.JSON && terminal.IsTerminal(os.Stderr) }

// bar is verb.Context.Progress on this process's terminal.
func (a *app) bar(label string, total int64) verb.Bar {
	if !a.watched() {
		return (*terminal.Bar)(nil)
	}
	return terminal.NewBar(os.Stderr, terminal.Colorful(os.Stderr), label, total)
}

// opening shows a bar for what takes long before the store is open.
func (a *app) opening() func(what string, done, total int64) {
	var bar verb.Bar
	return func(what string, done, total int64) {
		if bar == nil {
			bar = a.bar(what, total)
		}
		bar.Set(done)
		if done >= total {
			bar.Close()
			bar = nil
		}
	}
}

type serveVerb struct {
	terminal.Listening
	verb.BucketFlags
}

func (*serveVerb) Help() string {
	return "The first start makes the data directory and its key, prints a recovery key where a terminal shows it, and a link that makes the first account. " +
		"SIGTERM and SIGINT end the server when the requests under way are answered; a second one ends it at once."
}

func (v *serveVerb) Run(a *app) error {
	return a.serve(&v.Listening, &v.BucketFlags, a.dir("footfall-data"), false)
}

type demoVerb struct{ terminal.Listening }

func (v *demoVerb) Run(a *app) error {
	dir := a.dir("footfall-demo")
	if err := workload.Claim(dir); err != nil {
		return fmt.Errorf("%w: name an empty or a new one with --data: %s", err, dir)
	}
	return a.serve(&v.Listening, &verb.BucketFlags{}, dir, true)
}

// serve runs the server until a.ctx ends. What is started is stopped in the opposite order.
func (a *app) serve(o *terminal.Listening, to *verb.BucketFlags, dir string, demo bool) (err error) {
	began := time.Now()
	base, err1 := o.Base()
	proxies, err2 := o.Proxies()
	if err := cmp.Or(err1, err2, o.CheckPaths()); err != nil {
		return verb.Exit(verb.ExitUsage, err)
	}
	greeting := terminal.Greeting{Base: base, Dir: dir}
	store, err := a.open(dir, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if !demo {
		a.secure(store)
	}
	snapshots, err := to.Start(a.ctx, store, a.log)
	if err != nil {
		return err
	}
	defer snapshots.Close()
	places, err := a.places(dir, o.Geo)
	if err != nil {
		return err
	}
	rooms, err := a.wire(o, store, snapshots, places, proxies, base, demo, demo && o.Loopback())
	if err != nil {
		return err
	}
	if err := rooms.ingest.Lists().Read(listFiles(o)); err != nil {
		return verb.Exit(verb.ExitUsage, err)
	}
	// Before anyone can ask: yesterday's salts are gone, and yesterday is sealed.
	if _, err := store.Maintain(a.ctx, time.Now()); err != nil {
		return fmt.Errorf("put %s in order: %w", dir, err)
	}
	if demo {
		if _, err := rooms.traffic.Fill(a.ctx, store, rooms.sources, time.Now(), a.bar); err != nil {
			return err
		}
	}
	var address atomic.Value // string; set once there is a listener
	socket, err := admin.Listen(admin.Config{Path: filepath.Join(dir, admin.Socket), Run: a.inServer(rooms, snapshots, places, &address), Logger: a.log})
	if err != nil {
		return err
	}
	defer socket.Close()

	ctx, cancel := context.WithCancel(a.ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	if o.MetricsListen != "" {
		if greeting.Metrics, err = a.showMetrics(ctx, &tasks, o.MetricsListen, rooms.metrics); err != nil {
			return err
		}
	}
	listener, err := terminal.Listen("--listen", o.Listen)
	if err != nil {
		return err
	}
	address.Store(listener.Addr().String())
	tasks.Go(func() { rooms.maintain(ctx) })
	tasks.Go(func() { places.Watch(ctx, dir, o.Geo, a.log) })
	tasks.Go(func() { rooms.ingest.Lists().Watch(ctx, listFiles(o), a.log) })
	tasks.Go(func() { proxies.Watch(ctx, a.log, rooms.ingest.ForgetAddresses) })
	if demo {
		tasks.Go(func() { rooms.traffic.Live(ctx, rooms.ingest, workload.DemoDomain) })
	}
	greeting.Address, greeting.Took = listener.Addr(), time.Since(began)
	a.greet(rooms, greeting)
	debug.FreeOSMemory() // what only the start needed
	return rooms.web.Serve(ctx, listener)
}

// secure prepares data that are not made up for a bad day.
func (a *app) secure(store *storage.Store) {
	a.showRecovery(store) // before anything can fail: it is shown only this once
	if err := store.MakeBallast(); err != nil {
		a.log.Warn("no ballast for a full disk", "error", err)
	}
	if why := store.KeyStatus().OldStays; why != "" {
		a.log.Warn("keys and salts that are destroyed in footfall.vault may stay readable on the disk", "because", why)
	}
}

// showMetrics serves the metrics until ctx ends.
func (a *app) showMetrics(ctx context.Context, tasks *sync.WaitGroup, address string, set *metrics.Set) (net.Addr, error) {
	listener, err := terminal.Listen("--metrics-listen", address)
	if err != nil {
		return nil, err
	}
	tasks.Go(func() {
		if err := admin.ServeHTTP(ctx, listener, set.Handler()); err != nil {
			a.log.Error("serve metrics", "error", err)
		}
	})
	return listener.Addr(), nil
}

// listFiles are the lists that the operator adds.
func listFiles(o *terminal.Listening) shield.Files {
	return shield.Files{Spam: o.SpamList, DataCentres: o.DatacentreList}
}

// places returns the countries of the product with the databases that the operator added. A file that was named must be
// readable, one that just lies in the data directory need not.
func (a *app) places(dir, named string) (*geo.DB, error) {
	places, err := ingest.BuiltPlaces()
	if err != nil {
		return nil, err
	}
	if _, err := places.Look(dir, named); err != nil {
		if named != "" && !places.Uses(named) {
			return nil, fmt.Errorf("--geo: %w", err)
		}
		a.log.Warn("a database of places is not used", "error", err)
	}
	places.Report(a.log)
	return places, nil
}

// rooms are the parts of a running server.
type rooms struct {
	store   *storage.Store
	ingest  *ingest.Handler
	auth    *auth.Auth
	web     *web.Server
	metrics *metrics.Set
	sources *source.Table
	traffic *workload.Generator
	examine []verb.Examiner
	log     *slog.Logger
}

// wire makes the rooms and shows them to each other.
func (a *app) wire(o *terminal.Listening, store *storage.Store, snapshots *verb.Streaming, places *geo.DB, proxies *terminal.Proxies, base *url.URL, demo, demoAdds bool) (*rooms, error) {
	if !assets.Built() {
		a.log.Warn("built without assets: no dashboard, script, countries or sources; build with `make build`")
	}
	r := &rooms{store: store, metrics: metrics.New(), log: a.log}
	var err1, err2 error
	r.sources, err1 = ingest.BuiltSources()
	r.ingest, err2 = ingest.New(ingest.Config{Store: store, Places: places, Sources: r.sources, Trusted: proxies.Contains, Network: terminal.NetworkName, Trusting: proxies.Trusting, Logger: a.log})
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	r.auth = auth.New(auth.Config{Book: store.Accounts(), Logger: a.log, Demo: demo, DemoAdds: demoAdds, Proxies: proxies.Contains, ClientAddr: visitor.ClientAddr, BaseURL: base})
	looks := ingest.ExaminePlaces(places)
	r.examine = []verb.Examiner{o.Examiner(version, proxies, base), r.ingest, looks}
	answers := api.New(api.Config{Store: store, Book: store.Accounts(), Auth: r.auth, Version: version, Snapshots: snapshots, Siteless: r.ingest.Siteless,
		ScriptPaths: o.ScriptPath, Doctor: r.doctor(snapshots), Watched: []verb.Examiner{verb.ExamineFunc(r.ingest.ExamineAddresses), looks}, Logger: a.log})
	var err error
	r.web, err = web.New(web.Config{Ingest: r.ingest, API: answers, Auth: r.auth, Assets: assets.Dist, Ready: store.Healthy, Snapshots: snapshots.Word(),
		SiteByScript: store.Accounts().SiteByScript, ScriptPaths: o.ScriptPath, EventPaths: o.EventPath,
		BaseURL: base, Proxies: proxies.Contains, Metrics: r.metrics, Logger: a.log})
	r.count()
	r.metrics.Store(store)
	r.metrics.Snapshots(store, snapshots)
	if demo {
		r.traffic = workload.Demo()
	}
	return r, err
}

// doctor returns what `footfall doctor` tells, for the dashboard.
func (r *rooms) doctor(snapshots *verb.Streaming) func(context.Context) []verb.Finding {
	return func(ctx context.Context) []verb.Finding {
		return (&verb.Context{Context: ctx, Store: r.store, Now: time.Now, Streaming: snapshots, Rooms: r.examine}).Examine()
	}
}

// count shows the counters of ingestion among the metrics.
func (r *rooms) count() {
	r.metrics.Counter("events_accepted_total", "Events on disk and acknowledged.", func() float64 { return float64(r.ingest.Snapshot().Accepted) })
	r.metrics.Counter("events_refused_total", "Requests answered 503.", func() float64 { return float64(r.ingest.Snapshot().Refused) })
	r.metrics.Gauge("addresses_wrong", "1 while visits seem to be counted for the address of a proxy: see footfall doctor.", func() float64 {
		if r.ingest.AddressesWrong() {
			return 1
		}
		return 0
	})
	r.metrics.Counters("events_dropped_total", "Events not counted, by reason.", "reason", func() map[string]float64 {
		counts := map[string]float64{}
		for reason, n := range r.ingest.Snapshot().Dropped {
			counts[string(reason)] = float64(n)
		}
		return counts
	})
}

// maintain calls the store at each midnight, and often enough to notice that a clock jumped or the machine slept.
func (r *rooms) maintain(ctx context.Context) {
	for {
		now := time.Now()
		next, err := r.store.Maintain(ctx, now)
		if err != nil && ctx.Err() == nil {
			r.log.Error("maintain store", "error", err)
		}
		r.ingest.Sweep()
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(time.Second, min(time.Minute, next.Sub(now)))):
		}
	}
}

// inServer runs the verbs that come through the admin socket. The one that asks for health is told where the server listens.
func (a *app) inServer(r *rooms, snapshots *verb.Streaming, places *geo.DB, address *atomic.Value) func(context.Context, *admin.Session) error {
	return func(ctx context.Context, s *admin.Session) (err error) {
		defer func() { // a bug in a verb must not stop the counting of visits
			if recover() != nil {
				a.log.Error("verb ended in a panic: this is a bug", "stack", web.Callers())
				err = errors.New("internal error: the server's log tells more")
			}
		}()
		v := &verbs{}
		v.Import.Places, v.Import.Lists = places, r.ingest.Lists()
		command, err := grammar(v, s.Out).ParseWith(s.Args, s.Settings)
		if err != nil {
			return verb.Exit(verb.ExitUsage, err)
		}
		if _, ok := command.Verb().(*healthVerb); ok {
			at, ok := address.Load().(string)
			if !ok {
				return errors.New("the server is still starting")
			}
			_, err := io.WriteString(s.Out, at)
			return err
		}
		if _, ok := command.Verb().(interface{ Run(*verb.Context) error }); !ok {
			return verb.Exit(verb.ExitUsage, fmt.Errorf("%s does not run inside a server", command.Path))
		}
		return command.Run(&verb.Context{Context: ctx, Store: r.store, Now: time.Now, In: s.In, Out: s.Out, Err: s.Err,
			JSON: v.JSON, Asks: s.Asks, Log: a.log, Streaming: snapshots, Rooms: r.examine, Progress: s.Bars})
	}
}

// greet says on the terminal what runs where.
func (a *app) greet(r *rooms, g terminal.Greeting) {
	status := r.store.KeyStatus()
	g.Key, g.KeyBeside = cmp.Or(a.key, status.Beside), status.Beside != ""
	g.Title = "Footfall " + version
	if r.traffic != nil {
		g.Title += ", a demo with made-up visits"
	}
	g.Memory, g.Sites, g.SetupToken = a.memory, len(r.store.Accounts().Sites()), r.auth.SetupToken()
	g.Write(os.Stderr, terminal.Colorful(os.Stderr), a.opt.Quiet)
}

// showsRecovery reports whether a recovery key may be shown: where no terminal is, it would lie in a log.
func (a *app) showsRecovery() bool { return a.command.Path != "demo" && terminal.IsTerminal(os.Stderr) }

// showRecovery shows the recovery key of a data directory that was just made: now or never.
func (a *app) showRecovery(store *storage.Store) {
	switch key := store.RecoveryKey(); {
	case key != "":
		terminal.Notice(os.Stderr, terminal.Colorful(os.Stderr), "Recovery key", key+
			"\nWrite it down and keep it away from this machine. If the key is lost, --key-file with a file that holds these groups opens the data. They are shown only now.")
	case store.Fresh():
		terminal.Notice(os.Stderr, terminal.Colorful(os.Stderr), "No recovery key yet",
			"It would lie in a log here. Make one at a terminal, and write it down: footfall key recovery --data "+a.dir("footfall-data"))
	}
}

type versionVerb struct{}

func (*versionVerb) Run(a *app) error {
	if a.opt.JSON {
		return json.NewEncoder(os.Stdout).Encode(map[string]string{
			"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	}
	_, err := fmt.Println("footfall", version, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	return err
}

type healthVerb struct{ web.Healthcheck }

// Run asks the server that --listen names, else the one that has the data directory open, else the one at the usual place.
func (v *healthVerb) Run(a *app) error {
	if v.Listen == "" {
		var at strings.Builder
		socket := filepath.Join(a.dir("footfall-data"), admin.Socket)
		err := admin.Call(a.ctx, socket, a.args, a.command.Settings, admin.Streams{In: strings.NewReader(""), Out: &at, Err: os.Stderr})
		switch {
		case err == nil:
			v.Listen = at.String()
		case !errors.Is(err, admin.ErrNoServer):
			return err
		case a.opt.Data != "":
			return fmt.Errorf("no server has %s open: start it with `footfall serve`, or name where it listens with --listen", a.opt.Data)
		default:
			v.Listen = "127.0.0.1:8080"
		}
	}
	if err := v.Ask(); err != nil || !a.opt.JSON {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]bool{"ok": true})
}

type reclaimVerb struct{ verb.Reclaim }

// Run needs no store: on a full disk it might not open, and a server sees for itself that there is room again.
func (v *reclaimVerb) Run(a *app) error {
	return v.Release(a.dir("footfall-data"), os.Stdout, a.opt.JSON)
}

type completionVerb struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (v *completionVerb) Run(*app) error {
	return grammar(&verbs{}, os.Stdout).Complete(os.Stdout, v.Shell)
}
