package terminal

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// Shells that Complete writes a script for.
const Shells = "bash,zsh,fish"

// word is one thing that may be typed next, and what it means.
type word struct{ text, help string }

// place is a verb on the way through the grammar, and what may follow it.
type place struct {
	path  string // "" before the first verb, then "site", "site add"
	words []word // verbs and flags
	files bool   // an argument or flag is a file
}

// Complete writes the completion script of the grammar for a shell.
func (g *Grammar) Complete(w io.Writer, shell string) error {
	parser, err := g.parser()
	if err != nil {
		return err
	}
	places := walk(nil, parser.Model.Node)
	var script string
	switch shell {
	case "bash":
		script = bash(g.Name, places)
	case "zsh":
		script = zsh(g.Name, places)
	case "fish":
		script = fish(g.Name, places)
	default:
		return fmt.Errorf("no completion for shell %q: want one of %s", shell, Shells)
	}
	_, err = io.WriteString(w, script)
	return err
}

func walk(places []place, node *kong.Node) []place {
	p := place{path: verbPath(node)}
	for _, child := range node.Children {
		if !child.Hidden {
			p.words = append(p.words, word{child.Name, child.Help})
		}
	}
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			p.words = append(p.words, word{"--" + f.Name, f.Help})
		}
	}
	for _, arg := range node.Positional {
		if arg.Name == "file" {
			p.files = true
		}
		if arg.Enum != "" {
			for _, value := range arg.EnumSlice() {
				p.words = append(p.words, word{value, ""})
			}
		}
	}
	places = append(places, p)
	for _, child := range node.Children {
		if !child.Hidden {
			places = walk(places, child)
		}
	}
	return places
}

// verbs finds the verbs among the words typed so far: the same few lines in each shell's language. A word that is no
// verb after those found, such as a flag or its value, is passed over.
const bashScript = `# bash completion of %[1]s: source <(%[1]s completion bash)
_%[1]s() {
  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" path="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "${path:+$path }${COMP_WORDS[i]}" in
      %[2]s) path="${path:+$path }${COMP_WORDS[i]}" ;;
    esac
  done
  case "$prev" in
    --data) COMPREPLY=($(compgen -d -- "$cur")); return ;;
    --config|--*-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
  esac
  local words="" files=""
  case "$path" in
%[3]s  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur") $files)
}
complete -o filenames -F _%[1]s %[1]s
`

func bash(name string, places []place) string {
	var cases strings.Builder
	for _, p := range places {
		files := ""
		if p.files {
			files = ` files="$(compgen -f -- "$cur")"`
		}
		fmt.Fprintf(&cases, "    %q) words=%q%s ;;\n", p.path, joinWords(p.words), files)
	}
	return fmt.Sprintf(bashScript, name, alternatives(places), cases.String())
}

const zshScript = `#compdef %[1]s
# zsh completion of %[1]s: source <(%[1]s completion zsh), or save it as _%[1]s in a directory of $fpath
_%[1]s() {
  local path_=""
  local -a options
  integer i
  for ((i = 2; i < CURRENT; i++)); do
    case "${path_:+$path_ }${words[i]}" in
      (%[2]s) path_="${path_:+$path_ }${words[i]}" ;;
    esac
  done
  case "${words[CURRENT-1]}" in
    (--data) _files -/; return ;;
    (--config|--*-file) _files; return ;;
  esac
  case "$path_" in
%[3]s  esac
  _describe '%[1]s' options
}
if [ "$funcstack[1]" = "_%[1]s" ]; then _%[1]s "$@"; else compdef _%[1]s %[1]s; fi
`

func zsh(name string, places []place) string {
	var cases strings.Builder
	for _, p := range places {
		fmt.Fprintf(&cases, "    (%q) options=(", p.path)
		for _, w := range p.words {
			fmt.Fprintf(&cases, " %s", quote(strings.ReplaceAll(w.text, ":", `\:`)+":"+w.help))
		}
		files := ""
		if p.files {
			files = "; _files"
		}
		fmt.Fprintf(&cases, " )%s ;;\n", files)
	}
	return fmt.Sprintf(zshScript, name, alternatives(places), cases.String())
}

const fishScript = `# fish completion of %[1]s: %[1]s completion fish | source
function __%[1]s_at
  set -l path
  for w in (commandline -opc)[2..]
    switch "$path $w"
      case %[2]s
        set path (string trim "$path $w")
    end
  end
  test "$path" = "$argv[1]"
end
complete -c %[1]s -f
`

func fish(name string, places []place) string {
	var b, known strings.Builder
	for _, p := range places[1:] {
		verb := p.path
		if !strings.Contains(verb, " ") {
			verb = " " + verb // the path so far is empty there
		}
		fmt.Fprintf(&known, " %s", quote(verb))
	}
	fmt.Fprintf(&b, fishScript, name, strings.TrimSpace(known.String()))
	for _, p := range places {
		condition := quote("__" + name + "_at " + quote(p.path))
		for _, w := range p.words {
			kind, extra := "-a "+quote(w.text), ""
			if flag, ok := strings.CutPrefix(w.text, "--"); ok {
				kind = "-l " + flag
				if flag == "data" || flag == "config" || strings.HasSuffix(flag, "-file") {
					extra = " -r -F"
				}
			}
			fmt.Fprintf(&b, "complete -c %s -n %s %s%s -d %s\n", name, condition, kind, extra, quote(w.help))
		}
		if p.files {
			fmt.Fprintf(&b, "complete -c %s -n %s -F\n", name, condition)
		}
	}
	return b.String()
}

func alternatives(places []place) string {
	var list []string
	for _, p := range places[1:] {
		list = append(list, `"`+p.path+`"`)
	}
	return strings.Join(list, "|")
}

func joinWords(words []word) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = w.text
	}
	return strings.Join(list, " ")
}

// quote makes s one word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
