package oidc

import (
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/providers"
)

// problems is what an inspection found wrong, by name.
func problems(t *testing.T, p providers.Provider) map[string]string {
	t.Helper()
	wrong := map[string]string{}
	for _, f := range p.(providers.Inspector).Inspect(t.Context()) {
		if f.Problem != "" {
			wrong[f.Name] = f.Problem
		}
		if f.Problem+f.Detail == "" {
			t.Errorf("%s says nothing", f.Name)
		}
	}
	return wrong
}

func TestInspectFindsWhatIsWrong(t *testing.T) {
	f := upstream(t, time.Now)
	if wrong := problems(t, openFor(t, f, time.Now, nil)); len(wrong) != 0 {
		t.Errorf("at an honest upstream: %v", wrong)
	}
	wrong := problems(t, openFor(t, f, time.Now, func(c *Config) { c.ClientSecret = "another-secret" }))
	if len(wrong) != 1 || !strings.Contains(wrong["secret"], "invalid_client") {
		t.Errorf("with another secret: %v", wrong)
	}
	for _, said := range wrong {
		if strings.Contains(said, "another-secret") {
			t.Error("the secret is shown")
		}
	}
	p := openFor(t, f, time.Now, func(c *Config) { c.ClientSecretExpires = "2027-01-31" })
	for _, found := range p.(providers.Inspector).Inspect(t.Context()) {
		if want := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC); found.Name == "secret" && !found.Expires.Equal(want) {
			t.Errorf("the secret expires %v, want %v", found.Expires, want)
		}
	}
	f.Down()
	if wrong := problems(t, openFor(t, f, time.Now, nil)); wrong["discovery"] == "" {
		t.Errorf("at an upstream that is down: %v", wrong)
	}
	if err := f.Up(); err != nil {
		t.Fatal(err)
	}
}
