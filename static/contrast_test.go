package static

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// luminance is the relative luminance of #rrggbb, WCAG 2.2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 32)
	if err != nil || len(hex) != 7 {
		t.Fatalf("colour %q: want #rrggbb", hex)
	}
	part := func(shift uint) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}

func contrast(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a), luminance(t, b)
	return (math.Max(x, y) + 0.05) / (math.Min(x, y) + 0.05)
}

func TestColoursHaveEnoughContrast(t *testing.T) {
	css, err := files.ReadFile("css/signet.css")
	if err != nil {
		t.Fatal(err)
	}
	light, rest, _ := strings.Cut(string(css), "prefers-color-scheme: dark")
	dark, rules, _ := strings.Cut(rest, "*, *::before")
	pairs := []struct {
		front, back string
		least       float64 // 4.5 for text, 3 for the edge of a control
	}{
		{"text", "page", 4.5}, {"text", "card", 4.5}, {"text", "hover", 4.5}, {"muted", "page", 4.5}, {"muted", "card", 4.5},
		{"on-brand", "brand", 4.5}, {"on-brand", "brand-strong", 4.5}, {"brand", "card", 4.5},
		{"danger", "danger-ground", 4.5}, {"notice", "notice-ground", 4.5},
		{"field-line", "card", 3}, {"brand", "card", 3}, {"brand", "page", 3}, {"danger", "card", 3},
	}
	colour := regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)
	for scheme, block := range map[string]string{"light": light, "dark": dark} {
		named := map[string]string{}
		for _, m := range colour.FindAllStringSubmatch(block, -1) {
			named[m[1]] = m[2]
		}
		for _, p := range pairs {
			if got := contrast(t, named[p.front], named[p.back]); got < p.least {
				t.Errorf("%s: %s on %s = %.2f, want %.1f", scheme, p.front, p.back, got, p.least)
			}
		}
	}
	tints := regexp.MustCompile(`\.tint-[0-9a-z]+ \{ background: (#[0-9a-f]{6})`).FindAllStringSubmatch(rules, -1)
	if len(tints) != 7 {
		t.Errorf("found %d tints, want 7", len(tints))
	}
	for _, m := range tints {
		if got := contrast(t, "#ffffff", m[1]); got < 4.5 {
			t.Errorf("white on %s = %.2f", m[1], got)
		}
	}
}
