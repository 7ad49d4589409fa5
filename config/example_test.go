package config

import (
	"os"
	"testing"
)

// TestExampleLoads holds the example that people start from to what the code takes.
func TestExampleLoads(t *testing.T) {
	text, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("WEB_SECRET", "0123456789012345678901234567890123")
	t.Setenv("CORP_SECRET", "from the upstream")
	c, err := Load(write(t, string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
	if len(c.Apps) != 2 || len(c.Providers) != 4 || !c.Providers[3].Disabled {
		t.Errorf("%d apps, %d providers", len(c.Apps), len(c.Providers))
	}
}
