package terminal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Prefix starts the name of every environment variable that is read.
const Prefix = "FOOTFALL_"

// Variable returns the environment variable of a flag: "base-url" is FOOTFALL_BASE_URL.
func Variable(flag string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Settings are values of flags that were not given on the command line, by the flag's name.
type Settings map[string]string

// ParseSettings reads a configuration file: lines `key = value`, where # starts a comment line and quotes around a value are dropped, or
// a JSON object of strings, numbers, booleans and lists of strings.
func ParseSettings(r io.Reader) (Settings, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSettings+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSettings {
		return nil, fmt.Errorf("larger than %d bytes", maxSettings)
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return parseJSON(text)
	}
	settings := Settings{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxSettings+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("line %d: want key = value", n)
		}
		if err := settings.add(key, unquote(strings.TrimSpace(value))); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return settings, lines.Err()
}

func parseJSON(text []byte) (Settings, error) {
	var object map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&object); err != nil {
		return nil, err
	}
	settings := Settings{}
	for key, value := range object {
		text, err := scalar(value)
		if list, ok := value.([]any); ok {
			items := make([]string, len(list))
			for i := range list {
				if items[i], err = scalar(list[i]); err != nil {
					break
				}
			}
			text = strings.Join(items, ",")
		}
		if err == nil {
			err = settings.add(key, text)
		}
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", key, err)
		}
	}
	return settings, nil
}

func scalar(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool, json.Number:
		return fmt.Sprint(v), nil
	}
	return "", errors.New("want a string, number, boolean or a list of these")
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

func (s Settings) add(key, value string) error {
	name := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(key)), "_", "-")
	if _, twice := s[name]; twice {
		return fmt.Errorf("%s is set twice", name)
	}
	s[name] = value
	return nil
}

// Check returns an error if a key is the name of no flag. It names the nearest one.
func (s Settings) check(known map[string]bool) error {
	for key := range s {
		if !known[key] {
			return fmt.Errorf("unknown key %q%s", key, didYouMean(key, known))
		}
	}
	return nil
}

func didYouMean(word string, known map[string]bool) string {
	best, bestDistance := "", 1+len(word)/2 // farther apart is another word, not a slip
	for name := range known {
		if d := distance(word, name); d < bestDistance || d == bestDistance && name < best {
			best, bestDistance = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// distance is the number of letters to insert, delete or replace to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := min(row[j], row[j+1]) + 1
			if a[i] == b[j] {
				next = min(next, diagonal)
			} else {
				next = min(next, diagonal+1)
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

// fromEnvironment returns the variables of the known flags. Those named in secrets may also stand in a file; both at
// once is an error, because nobody could say which was meant.
func fromEnvironment(getenv func(string) (string, bool), known, secrets map[string]bool) (Settings, error) {
	settings := Settings{}
	for name := range known {
		value, ok := getenv(Variable(name))
		if secrets[name] {
			var err error
			if value, ok, err = secret(getenv, Variable(name)); err != nil {
				return nil, err
			}
		}
		if ok && value != "" {
			settings[name] = value
		}
	}
	return settings, nil
}

// secret returns the value of a variable, or what the file holds that the variable with _FILE at its end names.
func secret(getenv func(string) (string, bool), variable string) (value string, ok bool, err error) {
	value, ok = getenv(variable)
	path, _ := getenv(variable + "_FILE")
	ok = ok && value != "" // empty is as good as not set: composed environments cannot unset
	if path == "" {
		return value, ok, nil
	}
	if ok {
		return "", false, fmt.Errorf("both %s and %s_FILE are set: unset one", variable, variable)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", false, fmt.Errorf("read %s_FILE: %w", variable, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret))
	if err != nil {
		return "", false, fmt.Errorf("read %s_FILE: %w", variable, err)
	}
	return strings.TrimRight(string(text), "\r\n"), true, nil
}
