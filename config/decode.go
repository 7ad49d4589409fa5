package config

import (
	"encoding"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/signet-broker/signet/internal/secret"
)

// fileSuffix makes the key of a file of the key of a secret.
const fileSuffix = "_file"

// field is a field of a struct under the key it has in the file.
type field struct {
	key   string
	index []int
}

var secretType = reflect.TypeFor[secret.String]()

// fields lists what a struct takes; the fields of an embedded struct are its own.
func fields(t reflect.Type) []field {
	var out []field
	for _, f := range reflect.VisibleFields(t) {
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if f.IsExported() && !f.Anonymous && key != "" && key != "-" {
			out = append(out, field{key, f.Index})
		}
	}
	return out
}

// keeper is a struct that keeps what it does not know, for later.
type keeper interface {
	keep(d *document, key string, n *yaml.Node)
}

// defaulter is a struct with defaults of its own.
type defaulter interface{ setDefaults() }

// decode sets v from n. What is not in the tree stays as it is. Faults go to d.
func (d *document) decode(n *yaml.Node, v reflect.Value, key string) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.decode(n, v.Elem(), key)
		return
	}
	switch v.Addr().Interface().(type) {
	case *secret.String, *time.Duration, *netip.Prefix, encoding.TextUnmarshaler:
		d.decodeScalar(n, v, key)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.decodeStruct(n, v, key, nil)
	case reflect.Slice:
		d.decodeList(n, v, key)
	case reflect.Map:
		d.decodeMap(n, v, key)
	case reflect.Interface:
		if value := d.plain(n); value != nil {
			v.Set(reflect.ValueOf(value))
		}
	default:
		d.decodeScalar(n, v, key)
	}
}

// decodeStruct is strict: a key that is neither the struct's nor one of also is a fault.
func (d *document) decodeStruct(n *yaml.Node, v reflect.Value, key string, also []string) {
	keeps, keeping := v.Addr().Interface().(keeper)
	if keeping {
		keeps.keep(d, key, n)
	}
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.add(n, key, "must be a set of keys")
		return
	}
	known, files := map[string]field{}, map[string]field{}
	words := append([]string(nil), also...)
	for _, f := range fields(v.Type()) {
		known[f.key] = f
		words = append(words, f.key)
	}
	for _, f := range fields(v.Type()) {
		if _, own := known[f.key+fileSuffix]; !own && v.FieldByIndex(f.index).Type() == secretType {
			files[f.key+fileSuffix] = f
			words = append(words, f.key+fileSuffix)
		}
	}
	given := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		given[n.Content[i].Value] = true
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i].Value, n.Content[i+1]
		at := join(key, shown(name))
		if f, ok := known[name]; ok {
			d.decode(value, v.FieldByIndex(f.index), at)
			d.resolvePaths(v.FieldByIndex(f.index), name)
		} else if f, ok := files[name]; ok {
			if given[f.key] {
				d.add(n.Content[i], at, "and %s are both given; one of them is enough", f.key)
				continue
			}
			d.readSecret(value, v.FieldByIndex(f.index), at)
		} else if !keeping && !contains(also, name) {
			d.unknown(n.Content[i], at, name, words)
		}
	}
}

func (d *document) unknown(n *yaml.Node, at, name string, words []string) {
	if guess := nearest(name, words); guess != "" && shown(name) == name {
		d.add(n, at, "unknown key; did you mean %s?", guess)
	} else if before, _, _ := strings.Cut(name, ":"); before != name && contains(words, before) {
		d.add(n, at, "unknown key; a space is missing after %s:", before)
	} else {
		d.add(n, at, "unknown key")
	}
}

// resolvePaths makes a path relative to the folder of the configuration file: what is in a key that ends in
// _file, or a list of paths in one that ends in _files.
func (d *document) resolvePaths(v reflect.Value, key string) {
	if strings.HasSuffix(key, fileSuffix) && v.Kind() == reflect.String {
		v.SetString(d.resolve(v.String()))
	}
	if strings.HasSuffix(key, fileSuffix+"s") && v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String {
		for i := range v.Len() {
			v.Index(i).SetString(d.resolve(v.Index(i).String()))
		}
	}
}

func (d *document) readSecret(n *yaml.Node, v reflect.Value, key string) {
	var path string
	d.decodeScalar(n, reflect.ValueOf(&path).Elem(), key)
	if d.faulty[key] {
		return
	}
	if path == "" {
		d.add(n, key, "names no file")
		return
	}
	data, err := readFile(d.resolve(path), maxSecret)
	if err != nil {
		d.add(n, key, "%v", err)
		return
	}
	value := strings.TrimRight(string(data), "\r\n")
	if value == "" {
		d.add(n, key, "names an empty file")
	}
	v.SetString(value)
}

func (d *document) decodeList(n *yaml.Node, v reflect.Value, key string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.add(n, key, "must be a list, as in [a, b]")
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		if one, ok := list.Index(i).Addr().Interface().(defaulter); ok {
			one.setDefaults()
		}
		d.decode(item, list.Index(i), join(key, strconv.Itoa(i)))
	}
	v.Set(list)
}

func (d *document) decodeMap(n *yaml.Node, v reflect.Value, key string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.add(n, key, "must be a set of keys")
		return
	}
	out := reflect.MakeMap(v.Type())
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i].Value
		value := reflect.New(v.Type().Elem()).Elem()
		d.decode(n.Content[i+1], value, join(key, shown(name)))
		out.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), value)
	}
	v.Set(out)
}

// decodeScalar takes a text as it is written: 0123 is a good secret, whatever number YAML sees in it.
func (d *document) decodeScalar(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.ScalarNode {
		d.add(n, key, "must be %s", want(v))
		return
	}
	if isNull(n) {
		if n.Anchor != "" {
			d.add(n, key, "a value that begins with & must be in quotes")
		} else {
			d.add(n, key, "has no value; leave the key out, or say %s", want(v))
		}
		return
	}
	if v.Type() == secretType && n.Value == "" {
		d.add(n, key, "is empty")
		return
	}
	if !set(v, n.Value) {
		d.add(n, key, "must be %s", want(v))
	}
}

// set parses a text; false: it is none of v's.
func set(v reflect.Value, text string) bool {
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		parsed, ok := duration(text)
		*p = parsed
		return ok
	case *netip.Prefix:
		parsed, ok := prefix(text)
		*p = parsed
		return ok
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text)) == nil
	}
	switch {
	case v.Kind() == reflect.String:
		v.SetString(text)
		return true
	case v.Kind() == reflect.Bool:
		v.SetBool(text == "true")
		return text == "true" || text == "false"
	case v.CanInt():
		i, err := strconv.ParseInt(text, 10, v.Type().Bits())
		v.SetInt(i)
		return err == nil
	case v.CanUint():
		i, err := strconv.ParseUint(text, 10, v.Type().Bits())
		v.SetUint(i)
		return err == nil
	case v.CanFloat():
		f, err := strconv.ParseFloat(text, v.Type().Bits())
		v.SetFloat(f)
		return err == nil
	}
	return false
}

// want says in words what a field takes.
func want(v reflect.Value) string {
	switch v.Addr().Interface().(type) {
	case *time.Duration:
		return "a duration such as 90s, 15m, 12h or 30d"
	case *netip.Prefix:
		return "an IP address or a network such as 10.0.0.0/8"
	}
	switch {
	case v.Kind() == reflect.Bool:
		return "true or false"
	case v.CanInt(), v.CanUint():
		return "a whole number"
	case v.CanFloat():
		return "a number"
	}
	return "text"
}

var days = regexp.MustCompile(`^([0-9]{1,5})d(.*)$`)

// duration takes Go's durations, and days in front.
func duration(text string) (time.Duration, bool) {
	var sum time.Duration
	if m := days.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1])
		sum = time.Duration(n) * day
		if text = m[2]; text == "" {
			return sum, true
		}
	}
	rest, err := time.ParseDuration(text)
	return sum + rest, err == nil && rest >= 0 && sum+rest >= 0 && !strings.HasPrefix(text, "+")
}

func prefix(text string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// plain returns a value of Go's JSON types.
func (d *document) plain(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			out[n.Content[i].Value] = d.plain(n.Content[i+1])
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, item := range n.Content {
			out = append(out, d.plain(item))
		}
		return out
	}
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return f
		}
	}
	return n.Value
}
