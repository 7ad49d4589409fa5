package templates_test

import (
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/templates"
)

func TestLanguageIsTheBestOfWhatIsAskedFor(t *testing.T) {
	p := newPages(t)
	many := strings.Split(strings.Repeat("xx ", 10)+"de", " ")
	for _, row := range []struct {
		locales []string
		accept  string
		want    templates.Lang
	}{
		{nil, "", "en"},
		{nil, "de", "de"},
		{nil, "de-AT,de;q=0.9,en;q=0.8", "de"},
		{nil, "en-GB,en;q=0.9,de;q=0.8", "en"},
		{nil, "fr-FR,fr;q=0.9,de;q=0.5", "de"},
		{nil, "fr", "en"},
		{nil, "*", "en"},
		{nil, ";;;\x00%%", "en"},
		{[]string{"de"}, "en", "de"},
		{[]string{"en"}, "de", "en"},
		{[]string{"fr", "de-CH"}, "en", "de"},
		{[]string{"fr"}, "de", "de"},
		{[]string{"<script>"}, "de", "de"},
		{[]string{strings.Repeat("de-", 1000)}, "", "en"},
		{[]string{"de-x" + strings.Repeat("-aaaaaaaa", 4)}, "", "en"},
		{many, "", "en"}, // the eleventh is not looked at
		{nil, "en;q=0.1," + strings.Repeat("fr;q=0.2,", 40) + "de", "en"},
		{nil, "de," + strings.Repeat("f", 10<<10), "de"},
		{nil, strings.Repeat("d", 10<<10), "en"},
	} {
		if got := p.Language(row.locales, row.accept); got != row.want {
			t.Errorf("Language(%.40q, %.40q) = %q, want %q", row.locales, row.accept, got, row.want)
		}
	}
	begin := time.Now()
	p.Language(nil, strings.Repeat("a-", 1<<19))
	if took := time.Since(begin); took > 50*time.Millisecond {
		t.Errorf("a megabyte of Accept-Language took %v", took)
	}
}

func TestALanguageThatIsNotThereIsTheFirst(t *testing.T) {
	p := newPages(t)
	page, err := p.LoggedOut(templates.Page{Lang: `x"><script>`}, templates.LoggedOut{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), `<html lang="en">`) {
		t.Errorf("page = %.100s", page)
	}
}
