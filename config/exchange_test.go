package config

import (
	"fmt"
	"testing"
)

func TestTokenExchangeOfAnApp(t *testing.T) {
	const grant = `secret: s, grants: ["urn:ietf:params:oauth:grant-type:token-exchange"], `
	rows := []struct{ name, app, key, want string }{
		{"all", grant + "token_exchange: {apps: [web], providers: [corp], create: true}", "", ""},
		{"its own tokens alone", grant + "providers: [corp]", "", ""},
		{"without the grant", "secret: s, token_exchange: {apps: [web]}", "token_exchange", "is of no use"},
		{"without a secret", `grants: ["urn:ietf:params:oauth:grant-type:token-exchange"], token_exchange: {apps: [web]}`, "token_exchange.apps", "authenticates"},
		{"tokens of nobody", grant + "token_exchange: {apps: [web, nobody]}", "token_exchange.apps.1", "no app"},
		{"a provider of nobody", grant + "token_exchange: {providers: [nobody]}", "token_exchange.providers.0", "no provider"},
		{"a provider that is not the app's", grant + "providers: [corp], token_exchange: {providers: [corp, local]}", "token_exchange.providers.1", "none of the app's"},
		{"users of nowhere", grant + "token_exchange: {create: true}", "token_exchange.create", "needs providers"},
	}
	for _, row := range rows {
		text := fmt.Sprintf(`issuer: https://login.example.com
apps: [{id: x, redirect_uris: ["https://a.example/cb"], %s}, {id: web, redirect_uris: ["https://a.example/cb"]}]
providers: [{id: corp, kind: oidc}, {id: local, kind: password}]
`, row.app)
		expect(t, row.name, loadText(t, text), "apps.0."+row.key, row.want)
	}
}

func TestTrustedIssuers(t *testing.T) {
	const keys = `jwks: {keys: [{kty: EC, crv: P-256, kid: a, x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}, `
	rows := []struct{ name, issuer, key, want string }{
		{"of services", `id: ci, issuer: a, apps: [web], subjects: ["*"], ` + keys, "", ""},
		{"of people", `id: ci, issuer: a, apps: [web], provider: corp, create: true, algs: [ES256], jwks_uri: "https://a.example/keys"`, "", ""},
		{"no id", `issuer: a, apps: [web], provider: corp, ` + keys, "id", "is missing"},
		{"an id with a colon", `id: "a:b", issuer: a, apps: [web], provider: corp, ` + keys, "id", "must be"},
		{"no issuer", `id: ci, apps: [web], provider: corp, ` + keys, "issuer", "must be"},
		{"Signet itself", `id: ci, issuer: "https://login.example.com", apps: [web], provider: corp, ` + keys, "issuer", "is Signet itself"},
		{"no keys", `id: ci, issuer: a, apps: [web], provider: corp`, "jwks", "one of them"},
		{"keys twice", `id: ci, issuer: a, apps: [web], provider: corp, jwks_uri: "https://a.example/keys", ` + keys, "jwks", "one of them"},
		{"keys that are none", `id: ci, issuer: a, apps: [web], provider: corp, jwks: {keys: []}`, "jwks", "no key"},
		{"keys in the clear", `id: ci, issuer: a, apps: [web], provider: corp, jwks_uri: "http://a.example/keys"`, "jwks_uri", "https"},
		{"an algorithm of a secret", `id: ci, issuer: a, apps: [web], provider: corp, algs: [HS256], ` + keys, "algs.0", "must be"},
		{"no apps", `id: ci, issuer: a, provider: corp, ` + keys, "apps", "must name"},
		{"an app of nobody", `id: ci, issuer: a, apps: [nobody], provider: corp, ` + keys, "apps.0", "no app"},
		{"a provider of nobody", `id: ci, issuer: a, apps: [web], provider: nobody, ` + keys, "provider", "no provider"},
		{"every service there is", `id: ci, issuer: a, apps: [web], ` + keys, "subjects", "which subjects"},
		{"a subject that is empty", `id: ci, issuer: a, apps: [web], subjects: [""], ` + keys, "subjects.0", "is empty"},
		{"services as users", `id: ci, issuer: a, apps: [web], subjects: [b], create: true, ` + keys, "create", "needs a provider"},
	}
	for _, row := range rows {
		text := fmt.Sprintf(`issuer: https://login.example.com
apps: [{id: web, redirect_uris: ["https://a.example/cb"]}]
providers: [{id: corp, kind: oidc}]
trusted_issuers: [{%s}]
`, row.issuer)
		expect(t, row.name, loadText(t, text), "trusted_issuers.0."+row.key, row.want)
	}
}
