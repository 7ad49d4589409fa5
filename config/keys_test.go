package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestKMSKeys(t *testing.T) {
	const arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890a"
	rows := []struct{ name, kms, key, want string }{
		{"one of each", `{RS256: ["` + arn + `a"], ES256: ["` + arn + `b"], PS256: ["` + arn + `c", "` + arn + `d"]}`, "", ""},
		{"an endpoint", `{endpoint: "https://vpce-1.kms.eu-central-1.vpce.amazonaws.com", ES256: ["` + arn + `b"]}`, "", ""},
		{"a stand-in on loopback", `{endpoint: "http://127.0.0.1:4566", ES256: ["` + arn + `b"]}`, "", ""},
		{"none any more", `{ES256: []}`, "", ""},
		{"of many regions, in China", `{ES256: ["arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"]}`, "", ""},
		{"plain HTTP", `{endpoint: "http://kms.example.com", ES256: ["` + arn + `b"]}`, "endpoint", "https"},
		{"an endpoint with a path", `{endpoint: "https://kms.example.com/x", ES256: ["` + arn + `b"]}`, "endpoint", "without a path"},
		{"an alias", `{ES256: [alias/signet]}`, "ES256.0", "alias"},
		{"an alias's ARN", `{ES256: ["arn:aws:kms:eu-central-1:111122223333:alias/signet"]}`, "ES256.0", "alias"},
		{"an id", `{ES256: [1234abcd-12ab-34cd-56ef-1234567890ab]}`, "ES256.0", "the ARN of a key"},
		{"of something else", `{ES256: ["arn:aws:s3:::bucket"]}`, "ES256.0", "the ARN of a key"},
		{"twice", `{ES256: ["` + arn + `b", "` + arn + `b"]}`, "ES256.1", "already"},
		{"for two algorithms", `{RS256: ["` + arn + `b"], PS256: ["` + arn + `b"]}`, "PS256.0", "one algorithm"},
		{"EdDSA", `{EdDSA: ["` + arn + `b"]}`, "EdDSA", "unknown key"},
	}
	for _, row := range rows {
		text := fmt.Sprintf("issuer: https://login.example.com\nkeys:\n  kms: %s\n", row.kms)
		expect(t, row.name, loadText(t, text), "keys.kms."+row.key, row.want)
	}
}

func TestWarnsOfKeysThatStayInTheDatabase(t *testing.T) {
	const text = `issuer: https://login.example.com
keys: {kms: {RS256: ["arn:aws:kms:eu-central-1:111122223333:key/a"]}}
apps:
  - {id: a, redirect_uris: [https://a.example/cb]}
  - {id: b, redirect_uris: [https://a.example/cb], tokens: {signing: EdDSA}}
`
	d := &document{file: "signet.yaml", faulty: map[string]bool{}}
	c, err := d.load([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var about []string
	for _, w := range c.Warnings {
		if strings.Contains(w.Problem, "in the database") {
			about = append(about, w.Key)
		}
	}
	if len(about) != 1 || about[0] != "apps.1.tokens.signing" {
		t.Errorf("warned of %v, want the second app", about)
	}
}
