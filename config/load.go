package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxFile   = 4 << 20  // bytes of a configuration file
	maxSecret = 64 << 10 // bytes of a file that holds a secret
)

// document is one configuration file while it is read, and afterwards what its lines are asked from.
type document struct {
	file   string
	dir    string // what paths in it are relative to
	root   *yaml.Node
	env    func(string) (string, bool) // nil: variables are refused
	faults Faults
	faulty map[string]bool // keys that have a fault: one is enough
	copied int             // nodes made from aliases
}

// Load reads a configuration file. The error is Faults with everything that is wrong; then the Config holds
// what could be read, so that its providers can be asked for their faults too, or is nil where the file is
// no YAML at all. What a kind of provider has for itself is read by Provider.Decode.
func Load(path string) (*Config, error) {
	d := &document{file: path, dir: filepath.Dir(path), env: os.LookupEnv, faulty: map[string]bool{}}
	data, err := readFile(path, maxFile)
	if err != nil {
		return nil, Faults{{File: path, Problem: err.Error()}}
	}
	return d.load(data)
}

func (d *document) load(data []byte) (*Config, error) {
	if !d.parse(data) {
		return nil, d.faults
	}
	c := Default()
	c.doc = d
	c.MasterKeyFile = d.resolve(c.MasterKeyFile)
	if d.root != nil {
		d.decode(d.root, reflect.ValueOf(c).Elem(), "")
	}
	check(c, d)
	if len(d.faults) == 0 {
		return c, nil
	}
	d.faults.Sort()
	return c, d.faults
}

// parse makes the tree: one document, a set of keys. It returns false where there is nothing to go on with.
func (d *document) parse(data []byte) bool {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return true // an empty file: the checks say what is missing
	} else if err != nil {
		d.syntax(err, data)
		return false
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		d.add(&more, "", "holds more than one document (a line ---)")
		return false
	}
	d.root = d.expand(doc.Content[0], "", 0, nil)
	if isNull(d.root) {
		d.root = nil
		return true
	}
	if d.root.Kind != yaml.MappingNode {
		d.add(d.root, "", "must be a set of keys, as in issuer: https://login.example.com")
		return false
	}
	return true
}

var yamlLine = regexp.MustCompile(`^(?:line (\d+): )?(.*)`)

// unquotedEnv is a reference within braces or brackets, where its own braces mean something else to YAML.
var unquotedEnv = regexp.MustCompile(`[{\[](.*[^'"])?\$\{env:`)

// syntax reports what is not YAML. The parser's texts are fixed, but for the one that shows a value.
func (d *document) syntax(err error, data []byte) {
	m := yamlLine.FindStringSubmatch(strings.TrimPrefix(err.Error(), "yaml: "))
	line, _ := strconv.Atoi(m[1])
	if strings.HasPrefix(m[2], "did not find expected") {
		line++ // of these alone the parser counts lines from 0, and leaves out the first
	}
	problem := "is not YAML: " + m[2]
	lines := bytes.Split(data, []byte("\n"))
	if name, unknown := strings.CutPrefix(m[2], "unknown anchor '"); unknown {
		name = strings.TrimSuffix(name, "' referenced")
		line = 1 + slices.IndexFunc(lines, func(l []byte) bool { return bytes.Contains(l, []byte("*"+name)) })
		problem = "a value that begins with * must be in quotes"
	} else if line > 0 && line <= len(lines) && unquotedEnv.Match(lines[line-1]) {
		problem += " (within braces or brackets, ${env:NAME} must be in quotes)"
	}
	d.faults = append(d.faults, Fault{File: d.file, Line: line, Problem: problem})
}

// add reports a fault at a node, unless its key has one already.
func (d *document) add(n *yaml.Node, key, format string, args ...any) {
	if d.faulty[key] && key != "" {
		return
	}
	d.faulty[key] = true
	line := 0
	if n != nil {
		line = n.Line
	}
	d.faults = append(d.faults, Fault{d.file, line, key, fmt.Sprintf(format, args...)})
}

// at makes a fault for a key and finds its line: the key's own, or that of the nearest one above it.
func (d *document) at(key, problem string) Fault {
	return Fault{d.file, d.line(key), key, problem}
}

// readFile reads at most limit bytes; its error says why not, in words for people.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, plainly(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, plainly(err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("is larger than %d bytes", limit)
	}
	return data, nil
}

// plainly drops the operation and the path, which the fault says already.
func plainly(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return fmt.Errorf("cannot be read: %w", pathErr.Err)
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// resolve makes a path in the file relative to the file's folder.
func (d *document) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(d.dir, path)
}
