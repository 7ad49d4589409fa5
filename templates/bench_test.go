package templates_test

import (
	"sync"
	"testing"

	"github.com/signet-broker/signet/templates"
)

func BenchmarkPages(b *testing.B) {
	p := newPages(b)
	for _, s := range samples("") {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.render(p, templates.Page{Lang: "de", RequestID: "R1", CSRF: "C1"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLanguage(b *testing.B) {
	p := newPages(b)
	b.ReportAllocs()
	for b.Loop() {
		p.Language(nil, "de-AT,de;q=0.9,en-US;q=0.8,en;q=0.7")
	}
}

func TestPagesAreRenderedAtOnceByMany(t *testing.T) {
	p := newPages(t)
	var wg sync.WaitGroup
	for _, lang := range langs {
		for _, s := range samples("") {
			want, err := s.render(p, templates.Page{Lang: lang})
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				for range 20 {
					got, err := s.render(p, templates.Page{Lang: lang})
					if err != nil || string(got) != string(want) {
						t.Errorf("%s: another page than before, %v", s.name, err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
}
