package terminal

import (
	_ "embed"
	"encoding"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// configFlag names the file of settings; it is read before the others, so it cannot itself stand in the file.
const configFlag = "config"

// secretTag marks the flag whose value may stand in a file named by the environment.
const secretTag = "secret"

// Grammar is a command line: its name, its verbs and where help goes.
type Grammar struct {
	Name, Help string
	Verbs      any // pointer to a struct with tags, filled by Parse; a new one for each Parse
	Out, Err   io.Writer
	Examples   string // a command line a line, each shown in the help of its verb
	Width      int    // columns of help; 0 is 100
}

// Examples are those of Footfall.
//
//go:embed examples.txt
var Examples string

// Command is a parsed command line.
type Command struct {
	// Path names the verb: "site add".
	Path string
	// Settings are the flags that came from environment and file, to hand on to another process.
	Settings Settings
	context  *kong.Context
}

// ErrHelp says that help was asked for and has been printed.
var ErrHelp = errors.New("help was printed")

// Parse reads a command line with the settings of this process: getenv is os.LookupEnv but in tests.
func (g *Grammar) Parse(args []string, getenv func(string) (string, bool)) (*Command, error) {
	parser, err := g.parser()
	if err != nil {
		return nil, err
	}
	known, secrets := flags(parser.Model.Node)
	settings := Settings{}
	if path := configPath(args, getenv); path != "" {
		if settings, err = readSettings(path, known); err != nil {
			return nil, fmt.Errorf("read config %s: %w", path, err)
		}
	}
	env, err := fromEnvironment(getenv, known, secrets)
	if err != nil {
		return nil, err
	}
	for name, value := range env {
		settings[name] = value
	}
	return g.ParseWith(args, settings)
}

// ParseWith reads a command line whose environment and file have been read already.
func (g *Grammar) ParseWith(args []string, settings Settings) (*Command, error) {
	parser, err := g.parser(kong.Resolvers(kong.ResolverFunc(
		func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
			if value, ok := settings[flag.Name]; ok {
				return value, nil
			}
			return nil, nil
		})))
	if err != nil {
		return nil, err
	}
	context, err := parse(parser, args)
	if err != nil {
		return nil, err
	}
	return &Command{Path: verbPath(context.Selected()), Settings: settings, context: context}, nil
}

// Verb returns the chosen verb, a pointer to its struct.
func (c *Command) Verb() any { return c.context.Selected().Target.Addr().Interface() }

// Typed reports whether a flag stands in the command line itself, not in the environment or a file.
func (c *Command) Typed(flag string) bool {
	for _, p := range c.context.Path {
		if p.Flag != nil && p.Flag.Name == flag && !p.Resolved {
			return true
		}
	}
	return false
}

// Run calls the verb's Run method with arguments found by their type among bind.
func (c *Command) Run(bind ...any) error { return c.context.Run(bind...) }

// File returns the positional argument named file, which is where the verb reads from; "" if it has none.
func (c *Command) File() string {
	for _, p := range c.context.Selected().Positional {
		if p.Name == "file" && p.Target.Kind() == reflect.String {
			return p.Target.String()
		}
	}
	return ""
}

// exit is thrown by the parser where it wants to end the process, which is after printing help.
type exit struct{}

func parse(parser *kong.Kong, args []string) (context *kong.Context, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exit:
			err = ErrHelp
		default:
			panic(r)
		}
	}()
	if len(args) == 0 {
		args = []string{"help"}
	}
	if args[0] == "help" { // `tool help verb` is what some type for `tool verb --help`
		args = append(slices.Clone(args[1:]), "--help")
	}
	context, err = parser.Parse(args)
	var failed *kong.ParseError
	if errors.As(err, &failed) {
		help := parser.Model.Name
		if verb := failed.Context.Selected(); verb != nil {
			help += " " + verbPath(verb)
		}
		return nil, fmt.Errorf("%w: see `%s --help`", err, help)
	}
	return context, err
}

func (g *Grammar) parser(options ...kong.Option) (*kong.Kong, error) {
	width := g.Width
	if width == 0 {
		width = 100
	}
	parser, err := kong.New(g.Verbs, append(options,
		kong.Name(g.Name),
		kong.Description(g.Help),
		kong.Writers(g.Out, g.Err),
		kong.Exit(func(int) { panic(exit{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: width}),
		kong.ValueFormatter(describe),
		kong.NamedMapper("optional", optional{}),
	)...)
	if err == nil {
		g.exemplify(parser.Model.Node)
	}
	return parser, err
}

// optional reads flags of type:"optional": --flag=text is the text, and --flag alone is "true". The field reads it with UnmarshalText.
type optional struct{}

// IsBool makes the parser take --flag for whole.
func (optional) IsBool() bool { return true }

func (optional) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	text := "true"
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		text = ctx.Scan.Pop().String()
	}
	return target.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
}

// exemplify adds the examples to the help of their verbs.
func (g *Grammar) exemplify(node *kong.Node) {
	if path := verbPath(node); path != "" && len(node.Children) == 0 {
		var lines strings.Builder
		for line := range strings.Lines(g.Examples) {
			if _, rest, ok := strings.Cut(line, g.Name+" "+path); ok && (rest == "" || rest[0] == ' ' || rest[0] == '\n') {
				lines.WriteString("\t" + line)
			}
		}
		if lines.Len() > 0 {
			node.Detail = strings.TrimSpace(node.Detail + "\n\nExamples:\n\n" + lines.String())
		}
	}
	for _, child := range node.Children {
		g.exemplify(child)
	}
}

// describe adds the environment variable to a flag's help.
func describe(v *kong.Value) string {
	if v.Flag == nil || v.Name == "help" {
		return v.Help
	}
	variables := Variable(v.Name)
	if v.Tag.Has(secretTag) {
		variables += ", " + variables + "_FILE"
	}
	return strings.TrimSpace(v.Help + " [" + variables + "]")
}

func verbPath(node *kong.Node) string {
	var names []string
	for ; node != nil && node.Type == kong.CommandNode; node = node.Parent {
		names = append(names, node.Name)
	}
	slices.Reverse(names)
	return strings.Join(names, " ")
}

// flags collects the names of all flags of all verbs that may be set from outside, and which of them are secret.
func flags(node *kong.Node) (known, secrets map[string]bool) {
	known, secrets = map[string]bool{}, map[string]bool{}
	_ = kong.Visit(node, func(v kong.Visitable, next kong.Next) error {
		if f, ok := v.(*kong.Flag); ok && f.Name != "help" && f.Name != configFlag {
			known[f.Name] = true
			if f.Tag.Has(secretTag) {
				secrets[f.Name] = true
			}
		}
		return next(nil)
	})
	return known, secrets
}

func configPath(args []string, getenv func(string) (string, bool)) string {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if path, ok := strings.CutPrefix(arg, "--"+configFlag+"="); ok {
			return path
		}
		if arg == "--"+configFlag && i+1 < len(args) {
			return args[i+1]
		}
	}
	path, _ := getenv(Variable(configFlag))
	return path
}

func readSettings(path string, known map[string]bool) (Settings, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer f.Close()
	settings, err := ParseSettings(f)
	if err != nil {
		return nil, err
	}
	return settings, settings.check(known)
}
