package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ParseProvider reads one provider that stands alone: what would be an item of providers, as YAML or JSON.
// name is what faults call it, dir what the paths in it are relative to. ${env:NAME} is refused, and with
// dir "" every key that names a file: who writes it need not be who may read this machine's. The error is
// Faults; then the Provider holds what could be read, or is nil.
func ParseProvider(name, dir string, data []byte) (*Provider, error) {
	d := &document{file: name, dir: dir, faulty: map[string]bool{}}
	if len(data) > maxFile {
		return nil, Faults{{File: name, Problem: "is larger than " + strconv.Itoa(maxFile) + " bytes"}}
	}
	if !d.parse(unlisted(data)) {
		return nil, d.faults
	}
	if d.root == nil {
		return nil, Faults{{File: name, Problem: "is empty"}}
	}
	if dir == "" {
		d.refuseFiles(d.root, "")
	}
	p := &Provider{}
	d.decode(d.root, reflect.ValueOf(p).Elem(), "")
	(&checker{&Config{}, d}).provider(p, "", map[string]string{})
	if len(d.faults) > 0 {
		d.faults.Sort()
		return p, d.faults
	}
	return p, nil
}

// unlisted returns a list of a single item as that item, on the lines that it had: a block is often copied
// from the list that it stood in.
func unlisted(data []byte) []byte {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil || len(doc.Content) == 0 {
		return data
	}
	list := doc.Content[0]
	if list.Kind != yaml.SequenceNode || len(list.Content) != 1 || list.Style&yaml.FlowStyle != 0 {
		return data
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	i := list.Line - 1
	lines[i] = bytes.Replace(lines[i], []byte("-"), []byte(" "), 1)
	return bytes.Join(lines, nil)
}

func namesFile(key string) bool {
	return strings.HasSuffix(key, fileSuffix) || strings.HasSuffix(key, fileSuffix+"s")
}

// refuseFiles reports every key that names a file, however deep.
func (d *document) refuseFiles(n *yaml.Node, key string) {
	for i, c := range n.Content {
		switch n.Kind {
		case yaml.MappingNode:
			if i%2 == 1 {
				continue
			}
			at := join(key, shown(c.Value))
			if namesFile(c.Value) {
				d.add(c, at, "names a file, which is not read here; give what is in it")
			}
			d.refuseFiles(n.Content[i+1], at)
		case yaml.SequenceNode:
			d.refuseFiles(c, join(key, strconv.Itoa(i)))
		}
	}
}

// Inline puts what files hold in the place of the keys that name them: client_secret for client_secret_file,
// certificates for certificate_files. into is the kind's configuration. A key without such a form is a fault.
func (p *Provider) Inline(into any) Faults {
	d := *p.doc
	d.faults, d.faulty = nil, map[string]bool{}
	d.inline(p.node, reflect.TypeOf(into).Elem(), "")
	return d.faults
}

func (d *document) inline(n *yaml.Node, t reflect.Type, key string) {
	if n.Kind != yaml.MappingNode || t.Kind() != reflect.Struct {
		return
	}
	known := map[string]reflect.Type{}
	for _, f := range fields(t) {
		known[f.key] = t.FieldByIndex(f.index).Type
	}
	out := make([]*yaml.Node, 0, len(n.Content))
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if !namesFile(name.Value) {
			if below, ok := known[name.Value]; ok {
				d.inline(value, below, join(key, name.Value))
			}
			out = append(out, name, value)
			continue
		}
		if form, content := d.inlined(n, name, value, known, join(key, shown(name.Value))); content != nil {
			out = append(out, form, content)
		}
	}
	n.Content = dropReplaced(out)
}

// inlined returns the pair that stands for a key that names files.
func (d *document) inlined(n, name, value *yaml.Node, known map[string]reflect.Type, at string) (form, content *yaml.Node) {
	base, list := strings.CutSuffix(name.Value, fileSuffix+"s")
	if list {
		base += "s"
	} else {
		base = strings.TrimSuffix(name.Value, fileSuffix)
	}
	if _, ok := known[base]; !ok {
		d.add(name, at, "names a file and cannot be kept in the database")
		return nil, nil
	}
	form = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: base, Line: name.Line}
	if !list {
		return form, d.text(value, at)
	}
	content = &yaml.Node{Kind: yaml.SequenceNode, Line: value.Line}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == base { // given beside the files
			content.Content = append(content.Content, n.Content[i+1].Content...)
		}
	}
	for i, one := range value.Content {
		if text := d.text(one, join(at, strconv.Itoa(i))); text != nil {
			content.Content = append(content.Content, text)
		}
	}
	return form, content
}

// text is the content of the file that a node names.
func (d *document) text(n *yaml.Node, key string) *yaml.Node {
	data, err := readFile(d.resolve(n.Value), maxFile)
	if err != nil {
		d.add(n, key, "%v", err)
		return nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.TrimRight(string(data), "\r\n"), Line: n.Line}
}

// dropReplaced keeps the last of the pairs with the same key.
func dropReplaced(pairs []*yaml.Node) []*yaml.Node {
	last := map[string]int{}
	for i := 0; i+1 < len(pairs); i += 2 {
		last[pairs[i].Value] = i
	}
	var out []*yaml.Node
	for i := 0; i+1 < len(pairs); i += 2 {
		if last[pairs[i].Value] == i {
			out = append(out, pairs[i], pairs[i+1])
		}
	}
	return out
}

// Text is a key's value; "" when it is absent or no text.
func (p *Provider) Text(key string) string {
	for i := 0; p.node != nil && i+1 < len(p.node.Content); i += 2 {
		if p.node.Content[i].Value == key && p.node.Content[i+1].Kind == yaml.ScalarNode && !isNull(p.node.Content[i+1]) {
			return p.node.Content[i+1].Value
		}
	}
	return ""
}

// Document returns what the provider says, as JSON that ParseProvider reads. It has its secrets in it.
func (p *Provider) Document() ([]byte, error) { return writeJSON(tree(p.node, nil)) }

// Shown returns the same without its secrets: into is the kind's configuration, which says what is one.
func (p *Provider) Shown(into any) ([]byte, error) {
	return writeJSON(tree(p.node, reflect.TypeOf(into).Elem()))
}

func writeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// hidden is what stands for a secret.
const hidden = "[secret]"

// tree is a node as JSON has it. Where hide is a struct, its secrets are not told.
func tree(n *yaml.Node, hide reflect.Type) any {
	if hide == secretType && !isNull(n) {
		return hidden
	}
	switch n.Kind {
	case yaml.MappingNode:
		out := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			out[name] = tree(n.Content[i+1], fieldType(hide, name))
		}
		return out
	case yaml.SequenceNode:
		var item reflect.Type
		if hide != nil && hide.Kind() == reflect.Slice {
			item = hide.Elem()
		}
		out := make([]any, len(n.Content))
		for i, c := range n.Content {
			out[i] = tree(c, item)
		}
		return out
	}
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool", "!!int", "!!float": // as it is written, where JSON writes it so too
		if json.Valid([]byte(n.Value)) {
			return json.RawMessage(n.Value)
		}
	}
	return n.Value
}

// fieldType is the type of what stands below a key; nil when it is not known.
func fieldType(t reflect.Type, key string) reflect.Type {
	if t == nil {
		return nil
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Map:
		return t.Elem()
	case reflect.Struct:
		for _, f := range fields(t) {
			if f.key == key {
				return t.FieldByIndex(f.index).Type
			}
		}
	}
	return nil
}
