package config

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxDepth  = 40      // levels of keys
	maxCopied = 100_000 // nodes that aliases stand for: a few lines of YAML can name billions
)

// expand returns the tree as it is meant: aliases and merge keys replaced by what they stand for, and
// ${env:NAME} by the variable. above are the anchors that n is inside of.
func (d *document) expand(n *yaml.Node, key string, depth int, above []*yaml.Node) *yaml.Node {
	if depth > maxDepth {
		d.add(n, key, "is nested too deep")
		return null(n)
	}
	if len(above) > 0 {
		if d.copied++; d.copied > maxCopied {
			if d.copied == maxCopied+1 {
				d.add(n, "", "aliases stand for more than %d values", maxCopied)
			}
			return null(n)
		}
	}
	switch n.Kind {
	case yaml.AliasNode:
		for _, a := range above {
			if a == n.Alias {
				d.add(n, key, "an alias may not stand inside of what it names")
				return null(n)
			}
		}
		return d.expand(n.Alias, key, depth, append(above[:len(above):len(above)], n.Alias))
	case yaml.MappingNode:
		return d.expandMapping(n, key, depth, above)
	case yaml.SequenceNode:
		out := *n
		out.Content = make([]*yaml.Node, len(n.Content))
		for i, item := range n.Content {
			out.Content[i] = d.expand(item, join(key, strconv.Itoa(i)), depth+1, above)
		}
		return &out
	}
	out := *n
	if t := n.ShortTag(); !strings.HasPrefix(t, "!!") || t == "!!binary" {
		d.add(n, key, "a value that begins with ! must be in quotes")
		return null(n)
	}
	out.Value = d.substitute(n, key)
	return &out
}

func (d *document) expandMapping(n *yaml.Node, key string, depth int, above []*yaml.Node) *yaml.Node {
	out := *n
	out.Content = nil
	lines := map[string]int{} // where a key was first
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if name.Kind == yaml.AliasNode {
			name = name.Alias
		}
		switch {
		case name.Kind != yaml.ScalarNode:
			d.add(n.Content[i], key, "a key must be plain text")
		case name.ShortTag() == "!!merge":
			merged = append(merged, value)
		case lines[name.Value] != 0:
			d.add(name, join(key, shown(name.Value)), "is given twice, first in line %d", lines[name.Value])
		default:
			lines[name.Value] = max(name.Line, 1)
			out.Content = append(out.Content, name, d.expand(value, join(key, shown(name.Value)), depth+1, above))
		}
	}
	for _, m := range merged {
		d.merge(&out, d.expand(m, key, depth+1, above), lines)
	}
	return &out
}

// merge adds the pairs of a << key that are not there yet.
func (d *document) merge(into, from *yaml.Node, known map[string]int) {
	switch from.Kind {
	case yaml.SequenceNode:
		for _, one := range from.Content {
			d.merge(into, one, known)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(from.Content); i += 2 {
			if name := from.Content[i].Value; known[name] == 0 {
				known[name] = max(from.Content[i].Line, 1)
				into.Content = append(into.Content, from.Content[i], from.Content[i+1])
			}
		}
	default:
		d.add(from, "", "<< needs a set of keys")
	}
}

var envReference = regexp.MustCompile(`\$\{env:([^}]*)\}?`)

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// bareReference is a variable as shells and other tools write it: ${NAME} anywhere, or $NAME alone. In small
// letters it may be a part of a password.
var bareReference = regexp.MustCompile(`\$\{[A-Z_][A-Z0-9_]+\}|^\$[A-Z_][A-Z0-9_]+$`)

// substitute returns a value with its ${env:NAME} replaced. What a variable holds is not looked at again.
func (d *document) substitute(n *yaml.Node, key string) string {
	if name := bareReference.FindString(n.Value); name != "" {
		// It would be taken as it stands: a secret that everybody can guess.
		d.add(n, key, "has %s, which is not replaced; write ${env:%s}", name, strings.Trim(name, "${}"))
		return n.Value
	}
	if !strings.Contains(n.Value, "${env:") {
		return n.Value
	}
	return envReference.ReplaceAllStringFunc(n.Value, func(ref string) string {
		name := envReference.FindStringSubmatch(ref)[1]
		if !strings.HasSuffix(ref, "}") || !envName.MatchString(name) {
			d.add(n, key, "has a ${env:…} that names no variable; write ${env:NAME}")
			return ""
		}
		if d.env == nil {
			d.add(n, key, "takes no ${env:…} here; write what it stands for")
			return ""
		}
		value, ok := d.env(name)
		if !ok {
			d.add(n, key, "the environment variable %s is not set", name)
		}
		return value
	})
}

// line finds a key in the tree; where it is not, what is nearest above it.
func (d *document) line(key string) int {
	n, line := d.root, 1
	for n != nil {
		next, rest, found := child(n, key)
		if found == 0 {
			break
		}
		line = found
		if rest == "" {
			break
		}
		n, key = next, rest
	}
	return line
}

// child follows the first step of a key; a step may have dots in it. line is 0 when there is none.
func child(n *yaml.Node, key string) (next *yaml.Node, rest string, line int) {
	switch n.Kind {
	case yaml.SequenceNode:
		step, rest, _ := strings.Cut(key, ".")
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], rest, n.Content[i].Line
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, value := n.Content[i].Value, n.Content[i+1]
			if key == name || key+fileSuffix == name {
				return value, "", n.Content[i].Line
			}
			if rest, below := strings.CutPrefix(key, name+"."); below {
				return value, rest, n.Content[i].Line
			}
		}
	}
	return nil, "", 0
}

func join(key, step string) string {
	if key == "" || step == "" {
		return key + step
	}
	return key + "." + step
}

// shown is a key as a fault shows it. A key that was not meant as one may hold a secret: in a set in braces,
// client_secret:value without a space is a key.
func shown(key string) string {
	for i, r := range key {
		if i >= 64 || !(r == '_' || r == '-' || r == '/' || r == '.' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9') {
			return key[:i] + "…"
		}
	}
	return key
}

func null(n *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: n.Line, Column: n.Column}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }
