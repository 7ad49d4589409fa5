package config

import (
	"strings"
	"testing"
)

func TestSectors(t *testing.T) {
	const two = "redirect_uris: [https://a.example/cb, https://b.example/cb]"
	rows := []struct{ app, key, want, sector string }{
		{"redirect_uris: [https://a.example/cb]", "", "", ""},
		{"subject_type: public, " + two, "", "", ""},
		{"subject_type: pairwise, redirect_uris: [https://A.example/cb, 'https://a.example:8443/other']", "", "", "a.example"},
		{"subject_type: pairwise, redirect_uris: [https://a.example/cb, 'com.example.app:/cb']", "", "", "a.example"},
		{"subject_type: pairwise, sector_identifier: acme.example, " + two, "", "", "acme.example"},
		{"subject_type: pairwise, " + two, "sector_identifier", "several hosts (a.example, b.example)", ""},
		{"subject_type: pairwise, redirect_uris: ['https://a.example/cb', 'https://a.example.evil.example/cb']", "sector_identifier", "several hosts", ""},
		{"subject_type: pairwise, redirect_uris: ['com.example.app:/cb']", "sector_identifier", "is missing", ""},
		{"subject_type: pairwise", "sector_identifier", "is missing", ""},
		{"subject_type: pairwise, sector_identifier: 'https://acme.example', " + two, "sector_identifier", "a host alone", ""},
		{"subject_type: pairwise, sector_identifier: Acme.example, " + two, "sector_identifier", "lower case", ""},
		{"subject_type: pairwise, sector_identifier: 'acme.example:443', " + two, "sector_identifier", "a host alone", ""},
		{"sector_identifier: acme.example, " + two, "sector_identifier", "of no use", ""},
		{"subject_type: private, " + two, "subject_type", "must be public or pairwise", ""},
		{"subject_type: '', " + two, "subject_type", "must be public or pairwise", ""},
	}
	for _, row := range rows {
		text := "issuer: https://h.example\napps: [{id: a, " + row.app + "}]"
		if row.want != "" {
			expect(t, row.app, loadText(t, text), "apps.0."+row.key, row.want)
			continue
		}
		c, err := Load(write(t, text))
		if err != nil {
			t.Errorf("%s: %v", row.app, err)
		} else if got := c.Apps[0].Sector; got != row.sector {
			t.Errorf("%s: sector %q, want %q", row.app, got, row.sector)
		}
	}
}

// TestLoopbackIsNobodysSector: apps of different people have their redirect URIs there.
func TestLoopbackIsNobodysSector(t *testing.T) {
	const text = "issuer: https://h.example\napps: [{id: a, subject_type: pairwise, redirect_uris: ['http://127.0.0.1/cb']%s}]"
	for more, want := range map[string]bool{"": true, ", sector_identifier: acme.example": false} {
		c, err := Load(write(t, strings.Replace(text, "%s", more, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(c.Warnings.Error(), "set sector_identifier"); got != want {
			t.Errorf("warned %v, want %v, with %q", got, want, more)
		}
	}
}
