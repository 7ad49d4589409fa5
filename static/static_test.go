package static

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func get(t *testing.T, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://login.example.com/", nil)
	r.URL.Path = path
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func TestEveryFileIsServedForEver(t *testing.T) {
	for _, name := range []string{"signet.css", "submit.js", "signet.svg", "key.svg"} {
		res := get(t, http.MethodGet, URL(name))
		want := map[string]string{
			"Cache-Control":                "public, max-age=31536000, immutable",
			"X-Content-Type-Options":       "nosniff",
			"Content-Type":                 types[name[strings.LastIndex(name, "."):]],
			"Cross-Origin-Resource-Policy": "same-origin",
		}
		for k, v := range want {
			if got := res.Header.Get(k); got != v || v == "" {
				t.Errorf("%s: %s = %q, want %q", name, k, got, v)
			}
		}
		if res.StatusCode != http.StatusOK || res.ContentLength == 0 {
			t.Errorf("%s: status %d", name, res.StatusCode)
		}
		etag := res.Header.Get("ETag")
		if again := get(t, http.MethodGet, URL(name), "If-None-Match", etag); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: second request = %d, want 304", name, again.StatusCode)
		}
		if head := get(t, http.MethodHead, URL(name)); head.StatusCode != http.StatusOK {
			t.Errorf("%s: HEAD = %d", name, head.StatusCode)
		}
	}
}

func TestNothingElseIsServed(t *testing.T) {
	for _, path := range []string{
		"/static/", "/static", "/static/css/", "/static/css/signet.css", "/static/signet.css", "/static/static.go",
		"/static/../static.go", "/static/" + strings.ToUpper(strings.TrimPrefix(URL("signet.css"), Prefix)), "/", "",
		URL("signet.css") + "/", "/static//" + strings.TrimPrefix(URL("signet.css"), Prefix),
	} {
		if res := get(t, http.MethodGet, path); res.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s = %d, want 404", path, res.StatusCode)
		}
	}
	res := get(t, http.MethodPost, URL("signet.css"))
	if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST = %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
}

func TestAnUnknownNameIsAFaultOfTheProgram(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("URL of an unknown file did not panic")
		}
	}()
	URL("nothing.css")
}

func TestTwoFilesMayNotShareAName(t *testing.T) {
	if err := add("signet.css", nil); err == nil {
		t.Error("a second signet.css was taken")
	}
	if err := add("page.php", nil); err == nil {
		t.Error("a file without a media type was taken")
	}
}
