package config

import (
	"maps"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// Provider is where people sign in. What is not listed here belongs to its kind and is read by Decode.
type Provider struct {
	ID       string   `yaml:"id" doc:"part of its callback's address: 1 to 64 of a-z 0-9 -"`
	Kind     string   `yaml:"kind" doc:"the sort of provider"`
	Name     string   `yaml:"name" doc:"what people read; the id when absent"`
	Domains  []string `yaml:"domains" doc:"e-mail domains whose people are sent here"`
	Map      Map      `yaml:"map" doc:"how claims become attributes: CEL over claims; what is absent is as the kind has it"`
	Disabled bool     `yaml:"disabled" doc:"nobody can sign in here"`

	doc  *document
	node *yaml.Node
	key  string
}

// Map has a CEL expression for each attribute; an empty one is absent.
type Map struct {
	Email               string            `yaml:"email" doc:"string; stored in lower case"`
	EmailVerified       string            `yaml:"email_verified" doc:"boolean"`
	Name                string            `yaml:"name" doc:"string"`
	GivenName           string            `yaml:"given_name" doc:"string"`
	FamilyName          string            `yaml:"family_name" doc:"string"`
	PreferredUsername   string            `yaml:"preferred_username" doc:"string"`
	Picture             string            `yaml:"picture" doc:"string"`
	Locale              string            `yaml:"locale" doc:"string"`
	PhoneNumber         string            `yaml:"phone_number" doc:"string"`
	PhoneNumberVerified string            `yaml:"phone_number_verified" doc:"boolean"`
	Address             string            `yaml:"address" doc:"object with formatted, street_address, locality, region, postal_code, country"`
	Groups              string            `yaml:"groups" doc:"list of strings, or one string"`
	Attributes          map[string]string `yaml:"attributes" doc:"attributes of your own, of any JSON type; not the names of the token protocol such as sub or aud"`
}

// Over returns the expressions of the standard attributes, by name: the file's, and a kind's defaults for
// those it does not name. The result is new.
func (m Map) Over(defaults map[string]string) map[string]string {
	out := map[string]string{}
	for name, expr := range defaults {
		out[name] = expr
	}
	v := reflect.ValueOf(m)
	for _, f := range fields(v.Type()) {
		if expr := v.FieldByIndex(f.index); expr.Kind() == reflect.String && expr.String() != "" {
			out[f.key] = expr.String()
		}
	}
	return out
}

func (p *Provider) keep(d *document, key string, n *yaml.Node) { p.doc, p.key, p.node = d, key, n }

// Decode reads what belongs to the kind into a pointer to its configuration struct, which holds the defaults.
// A key that is neither common nor the struct's is a fault; a field of type secret.String also takes
// <key>_file; a relative path in a key that ends in _file or _files becomes one that can be opened.
func (p *Provider) Decode(into any) Faults {
	if p.node == nil {
		return nil
	}
	d := *p.doc
	d.faults, d.faulty = nil, maps.Clone(p.doc.faulty)
	var common []string
	for _, f := range fields(reflect.TypeFor[Provider]()) {
		common = append(common, f.key)
	}
	if p.node.Kind == yaml.MappingNode { // else Load has said so
		d.decodeStruct(p.node, reflect.ValueOf(into).Elem(), p.key, common)
	}
	return d.faults
}

// FaultAt is a fault of this provider's: key is below it, e.g. "scopes.0" or "map.email".
func (p *Provider) FaultAt(key, problem string) Fault {
	key = join(p.key, key)
	if p.doc == nil {
		return Fault{Key: key, Problem: problem}
	}
	return p.doc.at(key, problem)
}
