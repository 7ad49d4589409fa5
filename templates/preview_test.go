package templates_test

import (
	"bytes"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/signet-broker/signet/static"
	"github.com/signet-broker/signet/templates"
)

var preview = flag.String("preview", "", "a folder that gets every page with sample data, to look at in a browser")

// TestPreview writes all pages to a folder: go test ./templates -run TestPreview -preview DIR
func TestPreview(t *testing.T) {
	if *preview == "" {
		t.Skip("no -preview folder given")
	}
	asset := func(name string) string {
		w := httptest.NewRecorder()
		static.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, static.URL(name), nil))
		write(t, name, w.Body.Bytes())
		return name
	}
	p, err := templates.New(asset)
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range []templates.Lang{"en", "de"} {
		for _, s := range samples("") {
			page, err := s.render(p, templates.Page{Lang: lang, RequestID: "QJ5X2M7WVKTB4RNC6DHYEAZ3LP", CSRF: "c"})
			if err != nil {
				t.Fatal(err)
			}
			// A page that submits itself would be gone before anybody sees it.
			page = bytes.ReplaceAll(page, []byte("<script"), []byte("<!--script"))
			page = bytes.ReplaceAll(page, []byte("</script>"), []byte("-->"))
			write(t, s.name+"."+string(lang)+".html", page)
		}
	}
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(*preview, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}
