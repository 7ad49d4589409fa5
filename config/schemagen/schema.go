package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/signet-broker/signet/config"
	"github.com/signet-broker/signet/internal/secret"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/apple"
	"github.com/signet-broker/signet/providers/github"
	"github.com/signet-broker/signet/providers/google"
	"github.com/signet-broker/signet/providers/microsoft"
	"github.com/signet-broker/signet/providers/oauth2"
	"github.com/signet-broker/signet/providers/oidc"
	"github.com/signet-broker/signet/providers/password"
	"github.com/signet-broker/signet/providers/saml"
	"github.com/signet-broker/signet/providers/social"
)

// kinds are the sorts of provider whose keys are described.
var kinds = map[string]providers.Kind{
	"oidc":      oidc.Kind(),
	"google":    google.Kind(),
	"apple":     apple.Kind(),
	"microsoft": microsoft.Kind(),
	"oauth2":    oauth2.Kind(),
	"github":    github.Kind(),
	"gitlab":    social.GitLab(),
	"facebook":  social.Facebook(),
	"linkedin":  social.LinkedIn(),
	"amazon":    social.Amazon(),
	"discord":   social.Discord(),
	"slack":     social.Slack(),
	"saml":      saml.Kind(),
	"password":  password.Kind(nil),
}

const (
	// environment is what may stand where another text is wanted: the schema cannot know its value.
	environment = `\$\{env:`
	durations   = `^([0-9]+(\.[0-9]+)?(d|h|m|s|ms))+$|` + environment
)

var (
	required = map[reflect.Type][]string{
		reflect.TypeFor[config.Config]():   {"issuer"},
		reflect.TypeFor[config.App]():      {"id"},
		reflect.TypeFor[config.API]():      {"id"},
		reflect.TypeFor[config.Scope]():    {"name"},
		reflect.TypeFor[config.Provider](): {"id", "kind"},

		reflect.TypeFor[config.TrustedIssuer](): {"id", "issuer", "apps"},
	}
	choices = map[string][]any{
		"apps.auth":           {"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "none"},
		"apps.pkce":           {config.PKCERequired, config.PKCEOptional},
		"apps.tokens.signing": {"RS256", "ES256", "EdDSA", "PS256"},
		"apps.subject_type":   {config.SubjectPublic, config.SubjectPairwise},
		"apps.dpop":           {config.DPoPOptional, config.DPoPRequired},
		"apis.signing":        {"RS256", "ES256", "EdDSA", "PS256"},
	}
)

// schemaText is the schema as it is written to the file.
func schemaText() ([]byte, error) {
	text, err := json.Marshal(schema())
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return nil, fmt.Errorf("indent schema: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func schema() *jsonschema.Schema {
	root := describe(reflect.ValueOf(config.Default()).Elem(), "")
	root.Schema = "http://json-schema.org/draft-07/schema#" // the draft that every editor knows
	root.Title = "Signet's configuration"
	root.Definitions = map[string]*jsonschema.Schema{}
	each := root.Properties["providers"].Items
	common := *each
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		ref := "provider-" + name
		root.Definitions[ref] = kindSchema(&common, name)
		each.AllOf = append(each.AllOf, &jsonschema.Schema{
			If:   &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{"kind": {Const: jsonschema.Ptr[any](name)}}, Required: []string{"kind"}},
			Then: &jsonschema.Schema{Ref: "#/definitions/" + ref},
		})
	}
	// What is allowed depends on the kind: the definitions say it.
	each.AdditionalProperties = nil
	each.Properties["kind"].AnyOf = choice(slices.Sorted(maps.Keys(kinds)))
	return root
}

// kindSchema is the common keys of a provider and its kind's own.
func kindSchema(common *jsonschema.Schema, name string) *jsonschema.Schema {
	own := describe(reflect.ValueOf(kinds[name].Config()).Elem(), "")
	out := &jsonschema.Schema{
		Type: "object", AdditionalProperties: own.AdditionalProperties, Properties: own.Properties, AllOf: own.AllOf,
		PropertyOrder: slices.Concat(common.PropertyOrder, own.PropertyOrder),
	}
	for key := range common.Properties {
		out.Properties[key] = &jsonschema.Schema{} // described above already
	}
	return out
}

// describe makes the schema of a value, whose fields hold the defaults. path is without the numbers of lists.
func describe(v reflect.Value, path string) *jsonschema.Schema {
	switch v.Interface().(type) {
	case secret.String:
		return &jsonschema.Schema{Type: "string", MinLength: jsonschema.Ptr(1)}
	case time.Duration:
		return &jsonschema.Schema{Type: "string", Pattern: durations}
	case netip.Prefix:
		return &jsonschema.Schema{Type: "string"}
	}
	switch {
	case v.Kind() == reflect.Pointer:
		return describe(reflect.New(v.Type().Elem()).Elem(), path)
	case v.Kind() == reflect.Struct:
		return describeStruct(v, path)
	case v.Kind() == reflect.Slice:
		return &jsonschema.Schema{Types: []string{"array", "null"}, Items: describe(element(v.Type()), path)}
	case v.Kind() == reflect.Map:
		return &jsonschema.Schema{Types: []string{"object", "null"}, AdditionalProperties: describe(element(v.Type()), path)}
	case v.Kind() == reflect.Interface:
		return &jsonschema.Schema{}
	case v.Kind() == reflect.Bool:
		return &jsonschema.Schema{Types: []string{"boolean", "string"}, Pattern: environment}
	case v.CanInt(), v.CanUint():
		return &jsonschema.Schema{Types: []string{"integer", "string"}, Pattern: environment}
	case v.CanFloat():
		return &jsonschema.Schema{Types: []string{"number", "string"}, Pattern: environment}
	}
	return &jsonschema.Schema{Type: "string", AnyOf: choice(choices[path])}
}

// element is what a list or map holds, with its defaults.
func element(t reflect.Type) reflect.Value {
	v := reflect.New(t.Elem()).Elem()
	if app, ok := v.Addr().Interface().(*config.App); ok {
		*app = config.DefaultApp()
	}
	if api, ok := v.Addr().Interface().(*config.API); ok {
		*api = config.DefaultAPI()
	}
	return v
}

func describeStruct(v reflect.Value, path string) *jsonschema.Schema {
	out := &jsonschema.Schema{
		Types: []string{"object", "null"}, Properties: map[string]*jsonschema.Schema{}, Required: required[v.Type()],
		AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}},
	}
	if out.Required != nil {
		out.Types, out.Type = nil, "object"
	}
	for _, f := range reflect.VisibleFields(v.Type()) {
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || f.Anonymous || key == "" || key == "-" {
			continue
		}
		value := v.FieldByIndex(f.Index)
		one := describe(value, strings.TrimPrefix(path+"."+key, "."))
		one.Description = f.Tag.Get("doc")
		one.Default = defaultOf(value)
		out.Properties[key] = one
		out.PropertyOrder = append(out.PropertyOrder, key)
		if f.Type == reflect.TypeFor[secret.String]() {
			file := key + "_file"
			out.Properties[file] = &jsonschema.Schema{Type: "string", Description: "a file that holds " + key}
			out.PropertyOrder = append(out.PropertyOrder, file)
			out.AllOf = append(out.AllOf, &jsonschema.Schema{Not: &jsonschema.Schema{Required: []string{key, file}}})
		}
	}
	return out
}

// choice is one of some words, or the environment's.
func choice[T any](words []T) []*jsonschema.Schema {
	if len(words) == 0 {
		return nil
	}
	enum := make([]any, len(words))
	for i, w := range words {
		enum[i] = w
	}
	return []*jsonschema.Schema{{Enum: enum}, {Pattern: environment}}
}

// defaultOf is a default worth showing, in the file's own notation.
func defaultOf(v reflect.Value) json.RawMessage {
	if v.IsZero() || v.Kind() == reflect.Struct || v.Kind() == reflect.Map {
		return nil
	}
	var shown any = v.Interface()
	switch value := shown.(type) {
	case time.Duration:
		shown = strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(value.String())
	case secret.String:
		shown = value.Reveal() // a default is no secret
	}
	text, err := json.Marshal(shown)
	if err != nil {
		return nil
	}
	return text
}
